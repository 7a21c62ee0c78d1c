/**
 * `/exec`, `/attach` and `/portForward`: what is asked is checked before the connection is upgraded, so that a refusal is an
 * HTTP status; from then on the session's own protocol says how it ended.
 */
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, sleep } from '../../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../../errors.ts';
import type { Logger } from '../../log.ts';
import type { KubeletMetrics } from '../../metrics/kubelet.ts';
import type { BackendPod, PodRef } from '../../provider/contract.ts';
import type { ExecOptions, ExecResult, StandardStreams } from '../../provider/streams.ts';
import { lookUpPod, type Pods } from '../pod-lookup.ts';
import type { RequestTarget } from '../request-target.ts';
import { acceptCommandClient, type WantedStreams } from './command-client.ts';
import { type RunCommand, runCommandSession } from './command-session.ts';
import { watchIdle } from './idle-watch.ts';
import { type Agreement, COMMAND_PROTOCOLS, negotiate, PORT_FORWARD_PROTOCOLS, type Refusal } from './negotiation.ts';
import { runPortForwardSession } from './port-forward-session.ts';
import { parseCommand, parsePorts, parseWantedStreams } from './stream-request.ts';
import { openTunnel } from './tunnel.ts';
import { runWebSocketPortForward } from './websocket-port-forward.ts';

/** The guarded streams of a provider, for one owner. */
export interface StreamSource {
  /** Asked each time: a provider may learn of its backend what that can do. */
  offers(kind: SessionKind): boolean;
  get(ref: PodRef, signal: AbortSignal): Promise<BackendPod | undefined>;
  exec(
    ref: PodRef,
    container: string,
    options: ExecOptions,
    streams: StandardStreams,
    signal: AbortSignal,
  ): Promise<ExecResult>;
  attach(ref: PodRef, container: string, streams: StandardStreams, signal: AbortSignal): Promise<void>;
  portForward(ref: PodRef, port: number, signal: AbortSignal): Promise<Duplex>;
}

export interface SessionsOptions {
  readonly zone: string;
  readonly nodeName: string;
  /** The pods bound to this node. */
  readonly pods: Pods;
  readonly source: StreamSource;
  readonly metrics: KubeletMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** Sessions open at once; more are answered 429. @defaultValue 1024: with the other connections of an API server less than the listener takes. */
  readonly maxSessions?: number;
  /** A session that nothing was sent in for so long is ended, in milliseconds. @defaultValue 14400000 (4 h), the kubelet's `streamingConnectionIdleTimeout` */
  readonly idleTimeoutMs?: number;
  /** How long a client may take to open its streams, in milliseconds. @defaultValue 30000, the kubelet's */
  readonly creationTimeoutMs?: number;
}

export const SESSION_PATHS = ['exec', 'attach', 'portForward'] as const;
export type SessionKind = (typeof SESSION_PATHS)[number];

export interface Sessions extends AsyncDisposable {
  /** Runs a session whose caller was let in to its end; undefined then. Or says why there is none, with nothing answered yet. */
  serve(
    kind: SessionKind,
    request: IncomingMessage,
    target: RequestTarget,
    /** Called when the connection is the session's from now on. */
    taken: () => void,
  ): Promise<Refusal | undefined>;
}

/** For what a client is told at an early end; then its connection is cut. */
const STOP_GRACE_MS = 2000;
/** A client whose machine vanished is noticed within a minute. */
const KEEP_ALIVE_MS = 30_000;

type Plan =
  | { readonly ok: true; readonly agreement: Agreement; run(session: RunningSession): Promise<void> }
  | ({ readonly ok: false } & Refusal);

interface RunningSession {
  readonly transport: Duplex;
  readonly agreement: Agreement;
  readonly onData: () => void;
  /** Its reason is what the client is told. */
  readonly stop: AbortSignal;
}

export function createSessions(options: SessionsOptions): Sessions {
  const { zone, nodeName, pods, source, metrics, clock, log } = options;
  const maxSessions = options.maxSessions ?? 1024;
  const idleTimeoutMs = options.idleTimeoutMs ?? 4 * 3_600_000;
  const creationTimeoutMs = options.creationTimeoutMs ?? 30_000;
  const open = new Set<{ readonly stop: AbortController; readonly over: Promise<void> }>();
  /** Let in and not begun: they count. */
  let preparing = 0;
  let closed = false;

  async function plan(kind: SessionKind, request: IncomingMessage, target: RequestTarget): Promise<Plan> {
    const { segments, query } = target;
    const [, namespace = '', podName = '', ...rest] = segments;
    const container = kind === 'portForward' ? undefined : rest.pop();
    const [uid] = rest;
    const question = { namespace, podName, ...(uid === undefined ? {} : { uid }) };
    const found = lookUpPod(container === undefined ? question : { ...question, container }, pods);
    if (!found.ok) return found;
    if (!source.offers(kind)) {
      return refused(501, `the provider of the virtual node ${nodeName} does not support ${kind}`);
    }
    const { ref } = found;
    return kind === 'portForward'
      ? await planPortForward(request, query, ref)
      : await planCommand(kind, request, query, ref, container ?? '');
  }

  async function planCommand(
    kind: 'exec' | 'attach',
    request: IncomingMessage,
    query: URLSearchParams,
    ref: PodRef,
    container: string,
  ): Promise<Plan> {
    const wanted = parseWantedStreams(query);
    if (!wanted.ok) return refused(400, wanted.message);
    const { tty } = wanted.value;
    let run: RunCommand;
    if (kind === 'attach') {
      run = async (streams, signal) => {
        await source.attach(ref, container, streams, signal);
        return undefined;
      };
    } else {
      const command = parseCommand(query);
      if (!command.ok) return refused(400, command.message);
      run = (streams, signal) => source.exec(ref, container, { command: command.value, tty }, streams, signal);
    }
    const agreement = negotiate(request.method ?? '', request.headers, COMMAND_PROTOCOLS);
    if ('status' in agreement) return { ok: false, ...agreement };
    const seen = await look(ref, request);
    if ('status' in seen) return { ok: false, ...seen };
    const { state } = seen.observation.containers.find(({ name }) => name === container) ?? {};
    if (state?.running === undefined) {
      return refused(400, `container ${JSON.stringify(container)} in pod ${JSON.stringify(ref.name)} is not running`);
    }
    return { ok: true, agreement, run: (session) => runCommand(session, wanted.value, run) };
  }

  async function planPortForward(request: IncomingMessage, query: URLSearchParams, ref: PodRef): Promise<Plan> {
    const agreement = negotiate(request.method ?? '', request.headers, PORT_FORWARD_PROTOCOLS);
    if ('status' in agreement) return { ok: false, ...agreement };
    const shared = {
      clock,
      pod: `${ref.namespace}/${ref.name}`,
      open: (port: number, signal: AbortSignal) => source.portForward(ref, port, signal),
    };
    if (agreement.carrier === 'websocket') {
      const ports = parsePorts(query);
      if (!ports.ok) return refused(400, ports.message);
      const { protocol } = agreement;
      const run = ({ transport, onData, stop }: RunningSession): Promise<void> =>
        runWebSocketPortForward({ ...shared, transport, protocol, ports: ports.value, onData }, stop);
      return { ok: true, agreement, run };
    }
    const seen = await look(ref, request);
    if ('status' in seen) return { ok: false, ...seen };
    return {
      ok: true,
      agreement,
      run: ({ transport, onData, stop }) => {
        const inner = agreement.carrier === 'tunnel' ? openTunnel(transport, clock) : transport;
        return runPortForwardSession({ ...shared, transport: inner, onData, creationTimeoutMs }, stop);
      },
    };
  }

  /** The pod as the backend has it now: what was published may be behind. */
  async function look(ref: PodRef, request: IncomingMessage): Promise<BackendPod | Refusal> {
    const gone = new AbortController();
    const stop = (): void => gone.abort();
    request.socket.once('close', stop);
    try {
      const pod = await source.get(ref, gone.signal);
      return pod ?? { status: 404, message: `pod ${JSON.stringify(ref.name)} is not on the backend` };
    } catch (error) {
      const status = hasCode(error, 'Unavailable', 'Throttled', 'Aborted', 'Fenced') ? 503 : 500;
      return {
        status,
        message: `the backend cannot be asked for pod ${JSON.stringify(ref.name)}: ${messageOf(error)}`,
      };
    } finally {
      request.socket.off('close', stop);
    }
  }

  async function runCommand(session: RunningSession, wanted: WantedStreams, run: RunCommand): Promise<void> {
    const client = await acceptCommandClient({ ...session, wanted, clock, creationTimeoutMs });
    await runCommandSession(client, run, session.stop);
  }

  async function begin({ agreement, run }: Plan & { readonly ok: true }, transport: Duplex): Promise<void> {
    const stop = new AbortController();
    using idle = watchIdle(clock, idleTimeoutMs, () =>
      stop.abort(new ZoneletError('Unavailable', `nothing was sent for ${Math.round(idleTimeoutMs / 1000)} s`)),
    );
    let cut: Disposable | undefined;
    stop.signal.addEventListener('abort', () => {
      const timer = clock.setTimer(STOP_GRACE_MS, () => transport.destroy());
      cut = { [Symbol.dispose]: () => timer.cancel() };
    });
    const disconnected = new Promise<void>((resolve) => {
      if (transport.destroyed) resolve();
      else transport.once('close', () => resolve());
    });
    const working = (async () => {
      try {
        transport.write(agreement.head);
        await run({ transport, agreement, onData: idle.touch, stop: stop.signal });
      } catch (error) {
        log.info({ error: messageOf(error) }, 'a stream session could not begin');
        if (!transport.writableEnded) transport.destroy();
      }
      await disconnected;
    })();
    const session = { stop, over: working };
    open.add(session);
    // It may have come while the server was being closed.
    if (closed) stop.abort(shuttingDown());
    try {
      await working;
    } finally {
      cut?.[Symbol.dispose]();
      open.delete(session);
    }
  }

  function shuttingDown(): ZoneletError {
    return new ZoneletError('Unavailable', `this replica stops serving the virtual node ${nodeName}: try again`);
  }

  return {
    async serve(kind, request, target, taken) {
      if (open.size + preparing >= maxSessions) {
        return { status: 429, message: `more than ${maxSessions} sessions of ${nodeName} are open` };
      }
      const { socket } = request;
      preparing++;
      let planned: Plan;
      try {
        planned = await plan(kind, request, target);
      } finally {
        preparing--;
      }
      if (!planned.ok) return planned;
      taken();
      if (socket instanceof Socket) socket.setTimeout(0).setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
      metrics.sessions.inc({ zone, kind, protocol: planned.agreement.protocol });
      metrics.streams.inc({ zone });
      try {
        await begin(planned, socket);
      } finally {
        metrics.streams.dec({ zone });
      }
      return undefined;
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      const all = [...open];
      for (const { stop } of all) stop.abort(shuttingDown());
      const ended = new AbortController();
      void Promise.all(all.map(({ over }) => over)).then(() => ended.abort());
      await sleep(clock, 2 * STOP_GRACE_MS, ended.signal);
    },
  };
}

function refused(status: number, message: string): Plan {
  return { ok: false, status, message };
}
