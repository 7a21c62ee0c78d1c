/** The engines of a zone, for one owner: where a pod is, where a new one goes, and what is seen of all of them together. */
import { hasCode, messageOf, ZoneletError } from '../../src/errors.ts';
import type { Pod } from '../../src/kube/types.ts';
import { podRequests } from '../../src/pod-requests.ts';
import type { BackendPod, ReadOptions, WatchEvent } from '../../src/provider/contract.ts';
import type { Monitor, MonitorChange } from './monitor.ts';
import type { PodState } from './pod-state.ts';
import type { Room } from './zone.ts';

export interface Found {
  readonly monitor: Monitor;
  readonly state: PodState;
}

export interface Member {
  readonly monitor: Monitor;
  /** What this engine has for pods; `undefined` before it was asked for the first time. */
  room(): Room | undefined;
}

export interface Fleet {
  /** `undefined` only when every engine says that it has no such pod. A pod of an engine that is away throws `Unavailable`. */
  find(uid: string, options: ReadOptions): Promise<Found | undefined>;
  /** For a pod that may not be there yet: an engine that is away and was seen without it does not keep it from being made. */
  findForCreate(uid: string, options: ReadOptions): Promise<Found | undefined>;
  choose(pod: Pod): Monitor;
  /** What was seen last of a pod whose engine is away. */
  unreachable(uid: string): BackendPod | undefined;
  list(options: ReadOptions): Promise<{ readonly pods: readonly BackendPod[]; readonly complete: boolean }>;
  watch(signal: AbortSignal): AsyncIterable<WatchEvent>;
  states(options: ReadOptions): Promise<readonly { readonly monitor: Monitor; readonly states: readonly PodState[] }[]>;
}

export function createFleet(members: readonly Member[]): Fleet {
  const monitors = members.map(({ monitor }) => monitor);

  async function look(uid: string, options: ReadOptions, forCreate: boolean): Promise<Found | undefined> {
    const looks = await Promise.allSettled(monitors.map((monitor) => monitor.pods.read(uid, options)));
    for (const [i, seen] of looks.entries()) {
      const monitor = monitors[i];
      if (seen.status === 'fulfilled' && seen.value !== undefined && monitor !== undefined) {
        return { monitor, state: seen.value };
      }
    }
    for (const [i, seen] of looks.entries()) {
      const monitor = monitors[i];
      if (seen.status === 'fulfilled' || monitor === undefined) continue;
      const elsewhere = forCreate && monitors.length > 1 && monitor.synced && monitor.knows(uid) === undefined;
      if (!elsewhere || hasCode(seen.reason, 'Aborted')) throw unknown(seen.reason);
    }
    return undefined;
  }

  return {
    find: (uid, options) => look(uid, options, false),
    findForCreate: (uid, options) => look(uid, options, true),

    choose(pod) {
      const [only] = monitors;
      if (only !== undefined && monitors.length === 1) return only;
      const wanted = podRequests(pod);
      const need = { cpu: wanted.get('cpu')?.nanos ?? 0n, memory: wanted.get('memory')?.nanos ?? 0n };
      const fitting = members.flatMap(({ monitor, room }) => {
        const has = room();
        if (!monitor.connected || has === undefined) return [];
        const used = monitor.requested();
        const free = { cpu: has.cpu - used.cpu - need.cpu, memory: has.memory - used.memory - need.memory };
        if (free.cpu < 0n || free.memory < 0n || used.pods >= has.pods) return [];
        // The scarcest of what would be left over decides.
        const left = Math.min(ratio(free.cpu, has.cpu), ratio(free.memory, has.memory), 1 - used.pods / has.pods);
        return [{ monitor, left }];
      });
      const best = fitting.sort((a, b) => b.left - a.left)[0];
      if (best !== undefined) return best.monitor;
      if (!monitors.some(({ connected }) => connected))
        throw new ZoneletError('Unavailable', 'no engine can be reached');
      throw new ZoneletError('NoCapacity', 'no engine of the zone has room for the pod');
    },

    unreachable(uid) {
      return monitors.find((monitor) => !monitor.connected && monitor.knows(uid) !== undefined)?.knows(uid);
    },

    async list(options) {
      const lists = await Promise.allSettled(
        monitors.map(async (monitor) => {
          const states = [...(await monitor.pods.list(options)).values()].filter(({ sandbox }) => sandbox.started);
          const pods: BackendPod[] = [];
          for (const state of states) pods.push(await monitor.observe(state, options));
          return pods;
        }),
      );
      const failure = lists.find(({ status }) => status === 'rejected');
      if (failure?.status === 'rejected' && lists.every(({ status }) => status === 'rejected')) {
        throw unknown(failure.reason);
      }
      const pods = lists.flatMap((list, i) =>
        list.status === 'fulfilled' ? list.value : (monitors[i]?.known() ?? []).map(outOfReach),
      );
      return { pods, complete: failure === undefined };
    },

    watch: (signal) => watch(monitors, signal),

    async states(options) {
      const lists = await Promise.allSettled(
        monitors.map(async (monitor) => ({ monitor, states: [...(await monitor.pods.list(options)).values()] })),
      );
      return lists.flatMap((list) => (list.status === 'fulfilled' ? [list.value] : []));
    },
  };
}

function ratio(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 10_000n) / whole) / 10_000;
}

function unknown(reason: unknown): ZoneletError {
  if (hasCode(reason, 'Aborted', 'Unavailable')) return reason;
  return new ZoneletError('Unavailable', `an engine could not tell: ${messageOf(reason)}`, { cause: reason });
}

function outOfReach(pod: BackendPod): BackendPod {
  return { ...pod, observation: { ...pod.observation, reachable: false } };
}

async function* watch(monitors: readonly Monitor[], signal: AbortSignal): AsyncGenerator<WatchEvent, void, void> {
  // By UID: however slow the reader, what waits for it is bounded by the number of pods.
  const pending = new Map<string, Exclude<MonitorChange, { type: 'resync' }>>();
  let anew = true;
  let wake = (): void => {};
  const unsubscribe = monitors.map((monitor) =>
    monitor.subscribe((change) => {
      if (change.type === 'resync') anew = true;
      else {
        pending.delete(change.pod.ref.uid);
        pending.set(change.pod.ref.uid, change);
      }
      wake();
    }),
  );
  const end = (): void => wake();
  signal.addEventListener('abort', end, { once: true });
  try {
    while (!signal.aborted) {
      // Nothing is told before an engine was seen: an empty beginning would say that there is nothing.
      if (anew && monitors.some(({ synced }) => synced)) {
        anew = false;
        pending.clear();
        yield { type: 'sync-start' };
        for (const pod of monitors.flatMap((monitor) => monitor.known())) yield { type: 'pod', pod };
        yield { type: 'sync-end', complete: monitors.every(({ connected }) => connected) };
        continue;
      }
      const next = pending.entries().next();
      if (next.done === false && !anew) {
        const [uid, change] = next.value;
        pending.delete(uid);
        if (change.type === 'pod') yield { type: 'pod', pod: change.pod };
        else yield { type: 'gone', ref: change.pod.ref, last: change.pod.observation };
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (signal.aborted) resolve();
      });
    }
  } finally {
    signal.removeEventListener('abort', end);
    for (const stop of unsubscribe) stop();
  }
}
