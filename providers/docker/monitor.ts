/**
 * One owner's pods on one engine, kept up to date: by the engine's events, which only say where to look again, and by a
 * whole look now and then, since an engine keeps few events and drops them without a word. Whoever looks also brings
 * each pod one step on: several replicas may do that at the same time.
 */
import { type Clock, type Random, sleep, type Timer } from '../../src/clock.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/log.ts';
import { podRequests } from '../../src/pod-requests.ts';
import type { BackendPod, ReadOptions } from '../../src/provider/contract.ts';
import type { EngineEvent } from './api.ts';
import { decide } from './decision.ts';
import type { EnginePods } from './engine-pods.ts';
import { LABEL } from './names.ts';
import { backendPod } from './observation.ts';
import type { PodState } from './pod-state.ts';
import { CALL_MS, createRunner, isPassing } from './runner.ts';
import type { Room } from './zone.ts';

/** Between two whole looks. */
const RESYNC_MS = 60_000;
/** Whether the engine still answers, beside its events. */
const PING_EVERY_MS = 5000;
const PING_TIMEOUT_MS = 3000;
const MISSED_PINGS = 3;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** What belongs to no pod and is older than this is removed. */
const GARBAGE_MS = 600_000;
/** Pods that are looked at, at the same time. */
const AT_ONCE = 8;
/** After a step that failed for want of an answer. */
const RETRY_MS = 1000;

export type MonitorChange =
  | { readonly type: 'pod'; readonly pod: BackendPod }
  | { readonly type: 'gone'; readonly pod: BackendPod }
  /** Everything was looked at anew. */
  | { readonly type: 'resync' };

export interface Monitor {
  readonly pods: EnginePods;
  /** Whether its events are being followed. */
  readonly connected: boolean;
  /** Whether everything was seen at least once. */
  readonly synced: boolean;
  /** What was seen last; while the engine is away, with `reachable: false`. */
  known(): readonly BackendPod[];
  knows(uid: string): BackendPod | undefined;
  /** What its pods that may still run have asked for. */
  requested(): Room;
  /** Looks at it soon and brings it on. */
  kick(uid: string): void;
  /** What Kubernetes is told of this state. */
  observe(state: PodState, options: ReadOptions): Promise<BackendPod>;
  subscribe(changed: (change: MonitorChange) => void): () => void;
}

export interface MonitorOptions {
  readonly pods: EnginePods;
  readonly hostIP: string | undefined;
  /** The zone's only one: while it is away, the zone is, which is for the zone's reports to say. */
  readonly alone: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly life: AbortSignal;
}

export function createMonitor({ pods, hostIP, alone, clock, random, log, life }: MonitorOptions): Monitor {
  const { engine } = pods;
  const seen = new Map<string, BackendPod>();
  const requests = new Map<string, { readonly cpu: bigint; readonly memory: bigint }>();
  const subscribers = new Set<(change: MonitorChange) => void>();
  const dirty = new Set<string>();
  const working = new Set<string>();
  const timers = new Map<string, Timer>();
  const runner = createRunner({ pods, hostIP, clock, log, life, changed: kick });
  let connected = false;
  let synced = false;

  const tell = (change: MonitorChange): void => {
    for (const subscriber of subscribers) subscriber(change);
  };
  const options = (): ReadOptions => ({ signal: life, timeoutMs: CALL_MS });

  async function observe(state: PodState, reading: ReadOptions): Promise<BackendPod> {
    const resolved = await pods.applied(state, reading);
    const waiting = runner.waiting(state.ref.uid);
    if (resolved !== undefined && !requests.has(state.ref.uid)) {
      const wanted = podRequests(resolved.pod);
      requests.set(state.ref.uid, { cpu: wanted.get('cpu')?.nanos ?? 0n, memory: wanted.get('memory')?.nanos ?? 0n });
    }
    return backendPod(state, { pod: resolved?.pod, waiting, hostIP, nowMs: clock.now() });
  }

  function kick(uid: string): void {
    if (life.aborted) return;
    timers.get(uid)?.cancel();
    timers.delete(uid);
    dirty.add(uid);
    work();
  }

  function work(): void {
    for (const uid of dirty) {
      if (working.size >= AT_ONCE || life.aborted) return;
      if (working.has(uid)) continue;
      dirty.delete(uid);
      working.add(uid);
      void look(uid).finally(() => {
        working.delete(uid);
        work();
      });
    }
  }

  async function look(uid: string): Promise<void> {
    try {
      const state = await pods.read(uid, options());
      if (state === undefined || !state.sandbox.started) lose(uid);
      else await bringOn(state);
    } catch (error) {
      if (life.aborted) return;
      if (!isPassing(error)) log.warn({ uid, reason: messageOf(error) }, 'a pod could not be looked at');
      lookAgain(uid, RETRY_MS);
    }
  }

  async function bringOn(state: PodState): Promise<void> {
    const { uid } = state.ref;
    publish(await observe(state, options()));
    const resolved = await pods.applied(state, options());
    if (resolved === undefined) return;
    const again = await Promise.all(
      decide(state, resolved.pod, clock.now()).map((action) => runner.run(state, resolved, action)),
    );
    const inMs = Math.min(...again.filter((ms) => ms !== undefined));
    if (Number.isFinite(inMs)) lookAgain(uid, inMs);
  }

  function lookAgain(uid: string, inMs: number): void {
    timers.get(uid)?.cancel();
    timers.set(
      uid,
      clock.setTimer(Math.max(10, inMs), () => kick(uid)),
    );
  }

  function publish(pod: BackendPod): void {
    seen.set(pod.ref.uid, pod);
    tell({ type: 'pod', pod });
  }

  function lose(uid: string): void {
    const pod = seen.get(uid);
    runner.forget(uid);
    requests.delete(uid);
    if (pod === undefined) return;
    seen.delete(uid);
    tell({ type: 'gone', pod });
  }

  async function lookAtAll(): Promise<void> {
    const before = [...seen.keys()];
    const states = await pods.list(options());
    for (const [uid, state] of states) {
      if (!state.sandbox.started) continue;
      seen.set(uid, await observe(state, options()));
    }
    // One that came since the list was made is no one that went.
    for (const uid of before) if (!states.has(uid)) lose(uid);
    synced = true;
    connected = true;
    tell({ type: 'resync' });
    for (const uid of states.keys()) kick(uid);
  }

  async function follow(): Promise<void> {
    const filters = encodeURIComponent(JSON.stringify({ type: ['container', 'volume'] }));
    using ping = pinging();
    const events = await engine.stream({
      method: 'GET',
      path: `/events?filters=${filters}`,
      signal: ping.signal,
      timeoutMs: CALL_MS,
    });
    await lookAtAll();
    let text = '';
    for await (const chunk of events as AsyncIterable<Buffer>) {
      const lines = (text + chunk.toString()).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) if (line.trim() !== '') happened(JSON.parse(line) as EngineEvent);
    }
  }

  function happened({ Type, Action, Actor }: EngineEvent): void {
    const labels = Actor.Attributes ?? {};
    if (Type === 'container') {
      // An exec changes nothing that is told of a pod.
      if (/^(exec_|archive-path|extract-to-dir|resize|attach|top|copy|export)/.test(Action)) return;
      const uid = labels[LABEL.uid];
      if (uid !== undefined && Actor.ID !== '' && labels[LABEL.owner] !== undefined && isOurs(uid)) kick(uid);
      return;
    }
    // A volume's event has no labels; its name begins with the pod's prefix.
    for (const uid of seen.keys()) if (Actor.ID.startsWith(`${pods.prefix(uid)}_`)) kick(uid);

    function isOurs(uid: string): boolean {
      return (labels.name ?? '').startsWith(`${pods.prefix(uid)}_`);
    }
  }

  /** Aborts when the engine does not answer any more, whatever its connection looks like. */
  function pinging(): Disposable & { readonly signal: AbortSignal } {
    const dead = new AbortController();
    const stop = new AbortController();
    const end = (): void => dead.abort();
    life.addEventListener('abort', end, { once: true });
    void (async () => {
      for (let missed = 0; missed < MISSED_PINGS; ) {
        await sleep(clock, PING_EVERY_MS, stop.signal);
        if (stop.signal.aborted || life.aborted) return;
        const request = { method: 'GET', path: '/_ping', signal: life, timeoutMs: PING_TIMEOUT_MS } as const;
        missed = await engine.bytes(request).then(
          () => 0,
          () => missed + 1,
        );
      }
      dead.abort(new Error('the engine does not answer'));
    })();
    return {
      signal: dead.signal,
      [Symbol.dispose]() {
        stop.abort();
        life.removeEventListener('abort', end);
      },
    };
  }

  async function live(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!life.aborted) {
      let reason = 'the events ended';
      try {
        await follow();
      } catch (error) {
        reason = messageOf(error);
      }
      if (life.aborted) return;
      if (connected) {
        connected = false;
        pauseMs = FIRST_PAUSE_MS;
        log.info({ engine: engine.name, reason }, 'the engine is out of reach');
        if (!alone) for (const pod of seen.values()) tell({ type: 'pod', pod: now(pod) });
      }
      await sleep(clock, pauseMs * (0.5 + random.next() / 2), life);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }

  async function resync(): Promise<void> {
    for (;;) {
      await sleep(clock, RESYNC_MS * (0.9 + random.next() / 5), life);
      if (life.aborted) return;
      if (!connected) continue;
      try {
        await lookAtAll();
        const removed = await pods.collectGarbage(GARBAGE_MS, clock.now(), options());
        if (removed > 0) log.info({ engine: engine.name, removed }, 'removed what belonged to no pod');
      } catch (error) {
        log.debug({ engine: engine.name, reason: messageOf(error) }, 'the engine could not be looked at as a whole');
      }
    }
  }

  void live();
  void resync();
  life.addEventListener('abort', () => {
    for (const timer of timers.values()) timer.cancel();
  });

  const now = (pod: BackendPod): BackendPod =>
    connected || alone
      ? pod
      : {
          ...pod,
          observation: { ...pod.observation, reachable: false, message: `engine ${engine.name} is out of reach` },
        };

  return {
    pods,
    get connected() {
      return connected;
    },
    get synced() {
      return synced;
    },
    known: () => [...seen.values()].map(now),
    knows(uid) {
      const pod = seen.get(uid);
      return pod && now(pod);
    },
    requested() {
      const total = { cpu: 0n, memory: 0n, pods: requests.size };
      for (const { cpu, memory } of requests.values()) {
        total.cpu += cpu;
        total.memory += memory;
      }
      return total;
    },
    kick,
    observe,
    subscribe(changed) {
      subscribers.add(changed);
      return () => subscribers.delete(changed);
    },
  };
}
