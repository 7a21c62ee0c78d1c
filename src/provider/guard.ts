/**
 * Stands between the program and a provider, so that no caller can forget a rule:
 * - no mutation is sent without the right to act, asked at the moment of sending, after any wait;
 * - every call has a deadline, never longer than what is left of the term, and ends by it whatever the provider does;
 * - at most so many calls are on their way to the backend at once;
 * - a refusal as stale ends the term; a create whose reply was lost is looked up before it is asked again;
 * - what comes back is looked over: others' pods are left out, nonsense is an error that names it, never a crash.
 *
 * Reads need no term: standbys use them too. What runs in a pod for a client does (`guarded-streams.ts`).
 */
import type { Clock } from '../clock.ts';
import type { Term } from '../election/term.ts';
import { ZoneletError } from '../errors.ts';
import type { Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { ProviderMetrics } from '../metrics/provider.ts';
import type {
  BackendPod,
  Capabilities,
  PodRef,
  PodStats,
  Provider,
  Unsupported,
  WatchEvent,
  ZoneReport,
} from './contract.ts';
import { endlessStream } from './endless-stream.ts';
import { broken, createGuardedCall } from './guarded-call.ts';
import { createGuardedStreams, type GuardedStreams } from './guarded-streams.ts';
import { receivedObservation, receivedPod } from './received-pod.ts';
import { receivedReport, ZONE_STATES } from './received-report.ts';
import { receivedStats } from './received-stats.ts';
import { createTermProvider, type TermProvider } from './term-provider.ts';

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

export interface GuardedProvider extends GuardedStreams {
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
  const calls = createGuardedCall({ zone, clock, metrics, log, maxConcurrent: options.maxConcurrent ?? 32 });
  const { send, inTurn } = calls;
  /** Whose word streams are opened on: the term that this replica has, or had last. */
  let office: Term | undefined;
  const oddities = new Set<string>();

  function odd(what: string): void {
    if (oddities.has(what)) return;
    if (oddities.size >= REMEMBERED_ODDITIES) oddities.clear();
    oddities.add(what);
    log.warn({ what }, 'the provider handed in something odd; it is left out');
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
    office = term;
    return createTermProvider({
      provider,
      term,
      owner,
      calls,
      callTimeoutMs,
      ours,
      get,
      onFenced: options.onFenced,
      log,
    });
  }

  return {
    kind: provider.kind,
    zone,
    get capabilities() {
      return provider.capabilities;
    },
    validate: (pod) => provider.validate(pod),
    get,
    list,
    watch,
    zoneReports,
    ...createGuardedStreams({ provider, clock, calls, callTimeoutMs, office: () => office, log }),
    stats,
    forTerm,
  };
}

function goneEvent(event: WatchEvent & { readonly type: 'gone' }): WatchEvent {
  const last = receivedObservation(event.last);
  return last === undefined ? { type: 'gone', ref: event.ref } : { type: 'gone', ref: event.ref, last };
}
