/** I5: when faults stop, within a bound: API pods = backend pods, statuses equal, and then no more writes. */

import type { ContainerState, Pod } from '../../../src/kube/types.ts';
import type { BackendPod } from '../../../src/provider/contract.ts';
import type { Zone } from '../place.ts';
import { type CreateChecker, isReplica } from './checker.ts';

/** The end of the run, in which nothing is to be written of a pod that does not change. */
const QUIET_MS = 10_000;
/** What changed on the backend is published within this. */
const PUBLISHED_MS = 3_000;

export const convergence: CreateChecker = ({ plan, zones, history, scheduler }, report) => {
  const writes = new Map<string, number>();
  /** What the backends showed at the beginning of the quiet. */
  const before = new Map<string, BackendPod>();
  let quiet = false;
  scheduler.after(plan.lengthMs - QUIET_MS, () => {
    quiet = true;
    for (const { backend } of zones) for (const [uid, pod] of backend.pods()) before.set(uid, pod);
  });
  const justBefore = new Map<string, BackendPod>();
  scheduler.after(plan.lengthMs - PUBLISHED_MS, () => {
    for (const { backend } of zones) for (const [uid, pod] of backend.pods()) justBefore.set(uid, pod);
  });

  function check({ name, nodeName, backend }: Zone): void {
    const there = backend.pods();
    for (const object of history.objects('pods')) {
      const pod = object as Pod;
      const { uid = '', namespace, name: podName, deletionTimestamp } = pod.metadata ?? {};
      if (pod.spec?.nodeName !== nodeName) continue;
      const known = there.get(uid);
      there.delete(uid);
      const phase = pod.status?.phase ?? '';
      const who = `${namespace}/${podName} (${uid}) of ${name}`;
      if (deletionTimestamp !== undefined) report(`${who} was to be deleted and is still there`);
      if (phase === 'Succeeded' || phase === 'Failed') {
        if (known?.observation.containers.some(({ state }) => state.running != null) === true)
          report(`${who} is ${phase} in the API and runs on the backend`);
        continue;
      }
      if (known === undefined) report(`${who} is ${phase} in the API and not on the backend`);
      else if (justBefore.get(uid) === known) compare(who, pod, known);
    }
    for (const uid of there.keys()) report(`${uid} is on the backend of ${name} and not in the API`);
  }

  function compare(who: string, { status }: Pod, { observation }: BackendPod): void {
    for (const { name, state, restartCount } of observation.containers) {
      const told = status?.containerStatuses?.find((one) => one.name === name);
      if (kindOf(told?.state) !== kindOf(state) || told?.restartCount !== restartCount)
        report(
          `${who}: ${name} is ${kindOf(state)} after ${restartCount} restarts; the API has ${kindOf(told?.state)} after ${told?.restartCount ?? '?'}`,
        );
    }
  }

  return {
    write(write) {
      if (!quiet || write.collection !== 'pods' || !isReplica(write.actor)) return;
      const uid = write.object?.metadata?.uid ?? write.key;
      writes.set(uid, (writes.get(uid) ?? 0) + 1);
    },
    atEnd() {
      for (const zone of zones) {
        check(zone);
        for (const [uid, pod] of zone.backend.pods()) {
          const count = writes.get(uid) ?? 0;
          if (before.get(uid) === pod && count > 0)
            report(`${pod.ref.name} (${uid}) did not change and was written ${count} times at the end`);
        }
      }
    },
  };
};

function kindOf(state: ContainerState | undefined): string {
  if (state?.running != null) return 'running';
  if (state?.terminated != null) return 'terminated';
  return state?.waiting == null ? 'nothing' : 'waiting';
}
