/**
 * Watches the cluster as any client could, and keeps the score: who leads, how long a take-over took, how long a node was
 * not Ready, which pods restarted or were lost.
 */
import type { Clock } from '../../clock.ts';
import { parseHolder } from '../../election/identity.ts';
import type { Informer } from '../../kube/informer.ts';
import type { Node, Pod } from '../../kube/types.ts';
import { EPOCH_ANNOTATION, LEADER_ANNOTATION, ZONE_LABEL } from '../../node/names.ts';

export interface ZoneView {
  readonly zone: string;
  readonly node: string;
  readonly ready: boolean;
  /** Name of the replica that leads it; undefined before the first one. */
  readonly leader: string | undefined;
  readonly epoch: number;
  /** Monotonic time at which this leader was first seen. */
  readonly since: number;
  /** Pods of its node, by phase. */
  readonly pods: Readonly<Record<string, number>>;
}

export interface Score {
  /** Sum of the restart counts of all containers that were seen. */
  readonly restarts: number;
  /** Pods that vanished or were told to go without the demo having asked for it. */
  readonly lost: number;
  /** Milliseconds that nodes were not Ready after they had been, added up. */
  readonly notReadyMs: number;
}

export interface Observer extends Disposable {
  zones(): ZoneView[];
  score(): Score;
  /** Pods that are Running with every container ready. */
  readonly runningPods: number;
  /** From now on pods may go: the demo itself scales down or stops. */
  expectDepartures(): void;
  /** Called after every change of a Node or a pod. Returns its removal. */
  onChange(callback: () => void): () => void;
}

interface NodeRecord {
  readonly zone: string;
  readonly node: string;
  ready: boolean;
  leader: string | undefined;
  epoch: number;
  since: number;
  notReadySince: number | undefined;
}

export function observe(nodes: Informer<Node>, pods: Informer<Pod>, clock: Clock): Observer {
  const records = new Map<string, NodeRecord>();
  const restarts = new Map<string, number>();
  const callbacks = new Set<() => void>();
  let lost = 0;
  let departures = false;
  let notReadyMs = 0;
  const changed = (): void => {
    for (const callback of callbacks) callback();
  };

  const seenNode = (node: Node): void => {
    const { name = '', annotations = {}, labels = {} } = node.metadata ?? {};
    const zone = labels[ZONE_LABEL];
    if (zone === undefined) return;
    const now = clock.monotonic();
    const leader = parseHolder(annotations[LEADER_ANNOTATION] ?? '')?.replica;
    const epoch = Number(annotations[EPOCH_ANNOTATION] ?? 0);
    const ready = node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
    const before = records.get(name);
    const record = before ?? { zone, node: name, ready, leader, epoch, since: now, notReadySince: undefined };
    if (before === undefined) records.set(name, record);
    if (record.epoch !== epoch) record.since = now;
    if (record.ready && !ready) record.notReadySince = now;
    if (ready && record.notReadySince !== undefined) {
      notReadyMs += now - record.notReadySince;
      record.notReadySince = undefined;
    }
    Object.assign(record, { ready, leader, epoch });
    changed();
  };
  const seenPod = (pod: Pod): void => {
    const total = (pod.status?.containerStatuses ?? []).reduce((sum, status) => sum + status.restartCount, 0);
    restarts.set(pod.metadata?.uid ?? '', total);
    changed();
  };
  const gonePod = (): void => {
    if (!departures) lost++;
    changed();
  };
  const unsubscribe = [
    nodes.subscribe({ added: seenNode, updated: (_, node) => seenNode(node) }),
    pods.subscribe({
      added: seenPod,
      updated(before, pod) {
        if (before.metadata?.uid !== pod.metadata?.uid) gonePod();
        seenPod(pod);
      },
      deleted: gonePod,
    }),
  ];

  return {
    zones() {
      const byNode = new Map<string, Record<string, number>>();
      for (const pod of pods.list()) {
        const counts = byNode.get(pod.spec?.nodeName ?? '') ?? {};
        const phase = pod.metadata?.deletionTimestamp === undefined ? (pod.status?.phase ?? 'Unknown') : 'Terminating';
        counts[phase] = (counts[phase] ?? 0) + 1;
        byNode.set(pod.spec?.nodeName ?? '', counts);
      }
      return [...records.values()]
        .map(({ notReadySince: _since, ...record }) => ({ ...record, pods: byNode.get(record.node) ?? {} }))
        .sort((a, b) => a.zone.localeCompare(b.zone));
    },
    score() {
      const now = clock.monotonic();
      const open = [...records.values()].reduce(
        (sum, { notReadySince }) => sum + (notReadySince === undefined ? 0 : now - notReadySince),
        0,
      );
      return { restarts: [...restarts.values()].reduce((a, b) => a + b, 0), lost, notReadyMs: notReadyMs + open };
    },
    get runningPods() {
      return pods.list().filter((pod) => {
        const ready = pod.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True');
        return pod.status?.phase === 'Running' && ready && pod.metadata?.deletionTimestamp === undefined;
      }).length;
    },
    expectDepartures() {
      departures = true;
    },
    onChange(callback) {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
    [Symbol.dispose]() {
      for (const remove of unsubscribe) remove();
    },
  };
}
