/**
 * Stands between the program and a provider, so that no caller can forget a rule:
 * - no mutation is sent without the right to act, asked at the moment of sending, after any wait;
 * - every call has a deadline, never longer than what is left of the term, and ends by it whatever the provider does;
 * - at most so many calls are on their way to the backend at once;
 * - a refusal as stale ends the term; a create whose reply was lost is looked up before it is asked again;
 * - what comes back is looked over: others' pods are left out, nonsense is an error that names it, never a crash.
 *
 * Reads need no term: standbys use them too.
 */
import type { Clock } from '../clock.ts';
import { assertMayAct, type Term } from '../election/term.ts';
import { codeOf, hasCode, messageOf, ZoneletError } from '../errors.ts';
import { joinedWith } from '../joined-signal.ts';
import type { Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { ProviderMetrics } from '../metrics/provider.ts';
import { boundedCall } from './bounded-call.ts';
import { createCallLimiter } from './call-limiter.ts';
import type {
  BackendPod,
  Capabilities,
  CreateOutcome,
  DeleteResult,
  LogOptions,
  Operation,
  PodRef,
  PodStats,
  Provider,
  ResolvedPod,
  Unsupported,
  WatchEvent,
  ZoneReport,
} from './contract.ts';
import { endlessStream } from './endless-stream.ts';
import { Fenced } from './fenced.ts';
import { receivedObservation, receivedPod } from './received-pod.ts';
import { receivedReport, ZONE_STATES } from './received-report.ts';
import { receivedStats } from './received-stats.ts';

export interface GuardOptions {
  readonly provider: Provider;
  readonly clock: Clock;
  readonly metrics: ProviderMetrics;
  readonly log: Logger;
  /** Told of every mutation that was refused as stale: by this replica itself before sending it, or by the backend. */
  readonly onFenced?: (by: 'self' | 'backend') => void;
  /**
   * Calls on their way to the backend at once; the others wait. @defaultValue 32: at 50 ms a call that is 640 calls/s,
   * more than an API server takes status writes, and few enough that a slow backend is not buried under retries.
   */
  readonly maxConcurrent?: number;
  /** Deadline of one call, in milliseconds. @defaultValue 10000: well above a busy backend's answer; longer work is reported by the watch. */
  readonly callTimeoutMs?: number;
  /** Deadline of `list`, in milliseconds. @defaultValue 30000: it carries every pod of the zone. */
  readonly listTimeoutMs?: number;
}

export interface MutationOptions {
  /** Ends the wait and the call early, besides the end of the term. */
  readonly signal?: AbortSignal;
  /** 1 for the first try. @defaultValue 1 */
  readonly attempt?: number;
}

/** A provider in the hands of one term: every mutation is made on that term's word. */
export interface TermProvider {
  /** Raises the backend's fence to this term. Does nothing where the backend cannot fence. */
  claim(options?: MutationOptions): Promise<void>;
  /** `adopted` also when a lost reply turned out to have been a success. */
  create(pod: ResolvedPod, options?: MutationOptions): Promise<{ outcome: CreateOutcome; pod: BackendPod }>;
  update(pod: ResolvedPod, options?: MutationOptions): Promise<BackendPod>;
  delete(ref: PodRef, options: MutationOptions & { readonly gracePeriodSeconds: number }): Promise<DeleteResult>;
}

export interface GuardedProvider {
  readonly kind: string;
  readonly zone: string;
  readonly capabilities: Capabilities;
  validate(pod: Pod): readonly Unsupported[];
  /** `undefined` only when the backend definitely has no such pod; not finding out throws. */
  get(owner: string, ref: PodRef, signal: AbortSignal): Promise<BackendPod | undefined>;
  list(
    owner: string,
    signal: AbortSignal,
  ): Promise<{
    readonly pods: readonly BackendPod[];
    readonly complete: boolean;
  }>;
  /** Neither throws nor ends before the signal aborts. */
  watch(owner: string, signal: AbortSignal): AsyncIterable<WatchEvent>;
  /** Neither throws nor ends before the signal aborts; a silent or broken provider is `Unknown`. */
  zoneReports(signal: AbortSignal): AsyncIterable<ZoneReport>;
  /** `Unsupported` where the provider has no logs. The deadline covers the opening, not the stream. */
  logs(
    owner: string,
    ref: PodRef,
    container: string,
    options: LogOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>>;
  /** `Unsupported` where the provider does not measure. */
  stats(owner: string, signal: AbortSignal): Promise<readonly PodStats[]>;
  /** The mutations, on the word of `term` for the objects of `owner`. */
  forTerm(term: Term, owner: string): TermProvider;
}

/** A provider must report at least every 10 s; after this long without, what it said last is no longer believed. */
const REPORT_SILENCE_MS = 30_000;
/** Oddities are logged once per pod; after this many the memory of them begins anew. */
const REMEMBERED_ODDITIES = 1000;

export function createGuard(options: GuardOptions): GuardedProvider {
  const { provider, clock, metrics, log } = options;
  const { zone } = provider;
  const callTimeoutMs = options.callTimeoutMs ?? 10_000;
  const listTimeoutMs = options.listTimeoutMs ?? 30_000;
  const limiter = createCallLimiter(options.maxConcurrent ?? 32);
  const oddities = new Set<string>();

  function odd(what: string): void {
    if (oddities.has(what)) return;
    if (oddities.size >= REMEMBERED_ODDITIES) oddities.clear();
    oddities.add(what);
    log.warn({ what }, 'the provider handed in something odd; it is left out');
  }

  /** Counts, times and bounds one call that is being sent now. */
  async function send<T>(
    operation: string,
    effect: 'write' | 'read',
    timeoutMs: number,
    signals: readonly (AbortSignal | undefined)[],
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const labels = { zone, operation_type: operation };
    const sentAt = clock.monotonic();
    metrics.operations.inc(labels);
    try {
      return await boundedCall(
        clock,
        {
          operation,
          effect,
          timeoutMs,
          signals,
          abandoned: () =>
            log.error({ operation }, 'the provider did not settle a call by its deadline; it was given up'),
        },
        run,
      );
    } catch (error) {
      metrics.errors.inc({ ...labels, code: codeOf(error) });
      throw error;
    } finally {
      metrics.duration.observe(labels, (clock.monotonic() - sentAt) / 1000);
    }
  }

  async function inTurn<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    const release = await limiter.acquire(signal);
    try {
      return await run();
    } finally {
      release();
    }
  }

  function broken(operation: string, what: string): ZoneletError {
    return new ZoneletError('Internal', `the provider's answer to ${operation} is broken: ${what}`);
  }

  function ours(operation: string, owner: string, uid: string, value: unknown): BackendPod {
    const received = receivedPod(value, { owner, zone, uid });
    if (received.kind === 'good') return received.pod;
    throw broken(operation, received.what);
  }

  async function get(owner: string, ref: PodRef, signal: AbortSignal): Promise<BackendPod | undefined> {
    const pod: unknown = await inTurn(signal, () =>
      send('get', 'read', callTimeoutMs, [signal], (limit) =>
        provider.get(owner, ref, { signal: limit, timeoutMs: callTimeoutMs }),
      ),
    );
    return pod === undefined ? undefined : ours('get', owner, ref.uid, pod);
  }

  async function list(
    owner: string,
    signal: AbortSignal,
  ): Promise<{
    readonly pods: readonly BackendPod[];
    readonly complete: boolean;
  }> {
    const answer = await inTurn(signal, () =>
      send('list', 'read', listTimeoutMs, [signal], (limit) =>
        provider.list(owner, { signal: limit, timeoutMs: listTimeoutMs }),
      ),
    );
    const given: unknown = answer?.pods;
    if (!Array.isArray(given)) throw broken('list', 'there is no list of pods');
    const pods: BackendPod[] = [];
    let complete = answer.complete === true;
    for (const value of given as readonly unknown[]) {
      const received = receivedPod(value, { owner, zone });
      if (received.kind === 'good') pods.push(received.pod);
      else odd(received.what);
      // A pod that cannot be read is still there: nothing may be concluded from its absence.
      if (received.kind === 'broken') complete = false;
    }
    return { pods, complete };
  }

  async function* watch(owner: string, signal: AbortSignal): AsyncGenerator<WatchEvent, void, void> {
    let lacking = false;
    const events = endlessStream<WatchEvent>({
      what: 'watch',
      clock,
      log,
      signal,
      open: (inner) => provider.watch(owner, inner),
    });
    for await (const event of events) {
      if (event.type === 'pod') {
        const received = receivedPod(event.pod, { owner, zone });
        if (received.kind === 'good') {
          yield received.pod === event.pod ? event : { type: 'pod', pod: received.pod };
          continue;
        }
        odd(received.what);
        if (received.kind === 'broken') lacking = true;
      } else if (event.type === 'gone') {
        if (typeof event.ref?.uid !== 'string') odd('a gone event without a UID');
        else yield goneEvent(event);
      } else if (event.type === 'sync-start') {
        lacking = false;
        yield event;
      } else if (event.type === 'sync-end') {
        yield {
          type: 'sync-end',
          complete: event.complete === true && !lacking,
        };
      } else odd(`a watch event of type ${String((event as { type?: unknown }).type)}`);
    }
  }

  async function* zoneReports(signal: AbortSignal): AsyncGenerator<ZoneReport, void, void> {
    const reports = endlessStream<ZoneReport>({
      what: 'zone report',
      clock,
      log,
      signal,
      open: (inner) => provider.zoneReports(inner),
      silenceMs: REPORT_SILENCE_MS,
      silent: () => ({
        state: 'Unknown',
        evidence: `the provider said nothing for ${REPORT_SILENCE_MS / 1000} s`,
      }),
      broken: (reason) => ({
        state: 'Unknown',
        evidence: `the provider's reports broke off: ${reason}`,
      }),
    });
    for await (const given of reports) {
      const report = receivedReport(given, odd);
      for (const state of ZONE_STATES) metrics.state.set({ zone, state }, report.state === state ? 1 : 0);
      yield report;
    }
  }

  async function logs(
    owner: string,
    ref: PodRef,
    container: string,
    logOptions: LogOptions,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const open = provider.logs?.bind(provider);
    if (open === undefined || !provider.capabilities.logs) {
      throw new ZoneletError('Unsupported', `the provider ${provider.kind} offers no logs`);
    }
    // The stream outlives the deadline of its opening, so it hangs on a signal of its own.
    const life = new AbortController();
    const stop = (): void => life.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    try {
      return await send('logs', 'read', callTimeoutMs, [signal], () =>
        open(owner, ref, container, logOptions, life.signal),
      );
    } catch (error) {
      signal.removeEventListener('abort', stop);
      life.abort();
      throw error;
    }
  }

  async function stats(owner: string, signal: AbortSignal): Promise<readonly PodStats[]> {
    const measure = provider.stats?.bind(provider);
    if (measure === undefined || !provider.capabilities.stats) {
      throw new ZoneletError('Unsupported', `the provider ${provider.kind} offers no stats`);
    }
    const given: unknown = await inTurn(signal, () =>
      send('stats', 'read', listTimeoutMs, [signal], (limit) =>
        measure(owner, { signal: limit, timeoutMs: listTimeoutMs }),
      ),
    );
    if (!Array.isArray(given)) throw broken('stats', 'there is no list of pods');
    return receivedStats(given as readonly unknown[], odd);
  }

  function forTerm(term: Term, owner: string): TermProvider {
    /** Creates whose outcome is not known yet. Bounded by the pods of the zone: a pod's deletion takes it out. */
    const uncertain = new Set<string>();
    const whileInOffice = joinedWith(term.signal);

    function fenced(by: 'self' | 'backend', error: ZoneletError): void {
      options.onFenced?.(by);
      if (by === 'backend')
        term.lose('fenced', error.message, error instanceof Fenced ? error.current.epoch : undefined);
    }

    async function mutate<T>(
      operation: string,
      { signal, attempt = 1 }: MutationOptions,
      run: (operation: Operation) => Promise<T>,
    ): Promise<T> {
      const waiting = whileInOffice(signal);
      return await inTurn(waiting, async () => {
        // Here, after any wait and before anything is sent: this is what keeps two leaders from acting at once.
        try {
          assertMayAct(term);
        } catch (error) {
          if (hasCode(error, 'Fenced')) fenced('self', error);
          throw error;
        }
        const timeoutMs = Math.min(callTimeoutMs, term.remainingMs());
        const { epoch, holder } = term;
        try {
          return await send(operation, 'write', timeoutMs, [term.signal, signal], (limit) =>
            run({
              owner,
              zone,
              epoch,
              holder,
              signal: limit,
              timeoutMs,
              attempt,
            }),
          );
        } catch (error) {
          if (hasCode(error, 'Fenced')) fenced('backend', error);
          throw error;
        }
      });
    }

    async function lookUp(ref: PodRef): Promise<BackendPod | undefined> {
      const found = await get(owner, ref, term.signal);
      if (found !== undefined) uncertain.delete(ref.uid);
      return found;
    }

    return {
      async claim(mutation = {}) {
        const claim = provider.claim?.bind(provider);
        if (claim !== undefined) return await mutate('claim', mutation, claim);
        if (provider.capabilities.fence === 'epoch') throw broken('claim', 'it says that it fences and has no claim');
      },

      async create(pod, mutation = {}) {
        const { uid } = pod.ref;
        if (uncertain.has(uid)) {
          const found = await lookUp(pod.ref);
          if (found !== undefined) return { outcome: 'adopted', pod: found };
        }
        try {
          const answer = await mutate('create', mutation, (operation) => provider.create(pod, operation));
          if (answer?.outcome !== 'created' && answer?.outcome !== 'adopted') {
            throw broken('create', 'it says neither created nor adopted');
          }
          const created = ours('create', owner, uid, answer.pod);
          uncertain.delete(uid);
          return { outcome: answer.outcome, pod: created };
        } catch (error) {
          if (!hasCode(error, 'Ambiguous')) throw error;
          uncertain.add(uid);
          const found = await lookUp(pod.ref).catch((failure: unknown) => {
            log.warn({ uid, error: messageOf(failure) }, 'could not look up a create whose reply was lost');
            return undefined;
          });
          if (found === undefined) throw error;
          return { outcome: 'adopted', pod: found };
        }
      },

      async update(pod, mutation = {}) {
        const updated: unknown = await mutate('update', mutation, (operation) => provider.update(pod, operation));
        return ours('update', owner, pod.ref.uid, updated);
      },

      async delete(ref, { gracePeriodSeconds, ...mutation }) {
        const result = await mutate('delete', mutation, (operation) =>
          provider.delete(ref, { gracePeriodSeconds }, operation),
        );
        if (result?.state === 'stopping') {
          return {
            state: 'stopping',
            pod: ours('delete', owner, ref.uid, result.pod),
          };
        }
        if (result?.state !== 'gone') throw broken('delete', 'it says neither stopping nor gone');
        uncertain.delete(ref.uid);
        const last = receivedObservation(result.last);
        return last === undefined ? { state: 'gone' } : { state: 'gone', last };
      },
    };
  }

  return {
    kind: provider.kind,
    zone,
    capabilities: provider.capabilities,
    validate: (pod) => provider.validate(pod),
    get,
    list,
    watch,
    zoneReports,
    logs,
    stats,
    forTerm,
  };
}

function goneEvent(event: WatchEvent & { readonly type: 'gone' }): WatchEvent {
  const last = receivedObservation(event.last);
  return last === undefined ? { type: 'gone', ref: event.ref } : { type: 'gone', ref: event.ref, last };
}
