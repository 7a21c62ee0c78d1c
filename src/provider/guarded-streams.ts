/**
 * What a provider streams, under guard. Logs are a read. Exec, attach and port-forward reach into a running pod, so they need
 * the right to act and end with the term: whoever leads next is asked anew.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock.ts';
import { assertMayAct, type Term } from '../election/term.ts';
import { hasCode, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { boundedCall } from './bounded-call.ts';
import type { LogOptions, PodRef, Provider } from './contract.ts';
import { broken, type GuardedCall } from './guarded-call.ts';
import type { ExecOptions, ExecResult, StandardStreams } from './streams.ts';

/** Each is `Unsupported` where the provider does not offer it. */
export interface GuardedStreams {
  /** The deadline covers the opening, not the stream. */
  logs(
    owner: string,
    ref: PodRef,
    container: string,
    options: LogOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /** Lasts as long as the command does. `Fenced` without a term, or when it ends first. */
  exec(
    owner: string,
    ref: PodRef,
    container: string,
    options: ExecOptions,
    streams: StandardStreams,
    signal: AbortSignal,
  ): Promise<ExecResult>;
  /** Lasts as long as the container does. `Fenced` without a term, or when it ends first. */
  attach(owner: string, ref: PodRef, container: string, streams: StandardStreams, signal: AbortSignal): Promise<void>;
  /** The deadline covers the opening. `Fenced` without a term; the connection breaks off with that error when it ends. */
  portForward(owner: string, ref: PodRef, port: number, signal: AbortSignal): Promise<Duplex>;
}

export interface GuardedStreamsOptions {
  readonly provider: Provider;
  readonly clock: Clock;
  readonly calls: GuardedCall;
  readonly callTimeoutMs: number;
  /** The term that this replica has, or had last. */
  readonly office: () => Term | undefined;
  readonly log: Logger;
}

/** The longest that a timer can be set to, 24 days: a command has no deadline, only its client's patience. */
const NO_DEADLINE_MS = 2 ** 31 - 1;

export function createGuardedStreams(options: GuardedStreamsOptions): GuardedStreams {
  const { provider, clock, calls, callTimeoutMs, office, log } = options;

  function offered<T>(method: T | undefined, name: 'logs' | 'exec' | 'attach' | 'portForward'): T {
    if (method === undefined || !provider.capabilities[name]) {
      throw new ZoneletError('Unsupported', `the provider ${provider.kind} offers no ${name}`);
    }
    return method;
  }

  function inOffice(): Term {
    const term = office();
    if (term === undefined) throw over();
    assertMayAct(term);
    return term;
  }

  function over(): ZoneletError {
    return new ZoneletError('Fenced', `this replica does not lead zone ${provider.zone} any more: try again`);
  }

  /** Runs what lasts as long as somebody wants it to. */
  async function lasting<T>(
    operation: string,
    signal: AbortSignal,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const term = inOffice();
    try {
      return await calls.count(operation, () =>
        boundedCall(
          clock,
          {
            operation,
            effect: 'read',
            timeoutMs: NO_DEADLINE_MS,
            signals: [signal, term.signal],
            abandoned: () => log.debug({ operation }, 'the provider goes on with what nobody waits for any more'),
          },
          run,
        ),
      );
    } catch (error) {
      if (term.signal.aborted && hasCode(error, 'Aborted')) throw over();
      throw error;
    }
  }

  /** A stream outlives the deadline of its opening, so it hangs on a signal of its own until it is let go of. */
  async function opening<T>(
    operation: string,
    signals: readonly AbortSignal[],
    run: (life: AbortSignal) => Promise<T>,
  ): Promise<{ readonly opened: T; readonly letGo: () => void }> {
    const life = new AbortController();
    const letGo = (): void => {
      for (const signal of signals) signal.removeEventListener('abort', stop);
    };
    const stop = (): void => {
      life.abort();
      letGo();
    };
    for (const signal of signals) signal.addEventListener('abort', stop, { once: true });
    if (signals.some(({ aborted }) => aborted)) stop();
    try {
      return { opened: await calls.send(operation, 'read', callTimeoutMs, signals, () => run(life.signal)), letGo };
    } catch (error) {
      stop();
      throw error;
    }
  }

  return {
    async logs(owner, ref, container, logOptions, signal) {
      const open = offered(provider.logs?.bind(provider), 'logs');
      const { opened } = await opening('logs', [signal], (life) => open(owner, ref, container, logOptions, life));
      return opened;
    },

    async exec(owner, ref, container, execOptions, streams, signal) {
      const exec = offered(provider.exec?.bind(provider), 'exec');
      const result = await lasting('exec', signal, (life) => exec(owner, ref, container, execOptions, streams, life));
      if (!Number.isInteger(result?.exitCode) || result.exitCode < 0) throw broken('exec', 'there is no exit code');
      return { exitCode: result.exitCode };
    },

    async attach(owner, ref, container, streams, signal) {
      const attach = offered(provider.attach?.bind(provider), 'attach');
      await lasting('attach', signal, (life) => attach(owner, ref, container, streams, life));
    },

    async portForward(owner, ref, port, signal) {
      const open = offered(provider.portForward?.bind(provider), 'portForward');
      const term = inOffice();
      const { opened, letGo } = await opening('portForward', [signal, term.signal], (life) =>
        open(owner, ref, port, life),
      );
      if (typeof opened?.pipe !== 'function' || typeof opened.write !== 'function') {
        letGo();
        throw broken('portForward', 'it is no stream');
      }
      // Whoever holds it listens too; until then an error must not end the process.
      opened.on('error', () => {});
      const stop = (): void => void opened.destroy(over());
      term.signal.addEventListener('abort', stop, { once: true });
      opened.once('close', () => {
        letGo();
        term.signal.removeEventListener('abort', stop);
      });
      if (term.signal.aborted) stop();
      return opened;
    },
  };
}
