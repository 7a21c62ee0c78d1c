/**
 * I3: a terminal phase never changes, restart counts never fall, and a status stays with its UID. Nor does a pod count as
 * ended while it runs: a backend that shows less than it has, or nothing, is no reason.
 */
import type { Pod } from '../../../src/kube/types.ts';
import { type CreateChecker, isReplica } from './checker.ts';

export const noWayBack: CreateChecker = ({ zones }, report) => ({
  write(write) {
    const { actor, collection, key, json } = write;
    if (collection !== 'pods' || json === undefined) return;
    const [pod, last] = [write.object as Pod, write.before as Pod | undefined];
    const uid = pod.metadata?.uid ?? '';
    for (const status of pod.status?.containerStatuses ?? []) {
      const id = status.containerID ?? '';
      if (id !== '' && !id.includes(uid))
        report(`${key} (${uid}) shows a container of another pod: ${id} (by ${actor})`);
    }
    if (last === undefined || last.metadata?.uid !== uid) return;
    if (isReplica(actor) && isTerminal(pod) && !isTerminal(last)) {
      const zone = zones.find(({ nodeName }) => nodeName === pod.spec?.nodeName);
      const there = zone?.backend.pods().get(uid);
      if (there?.observation.containers.some(({ state }) => state.running != null) === true)
        report(
          `${key} (${uid}) was called ${pod.status?.phase} by ${actor} (${pod.status?.reason ?? ''}) while it runs`,
        );
    }
    const { phase = 'Pending' } = last.status ?? {};
    if ((phase === 'Succeeded' || phase === 'Failed') && pod.status?.phase !== phase) {
      report(`${key} (${uid}) went from ${phase} to ${pod.status?.phase} (by ${actor})`);
    }
    for (const { name, restartCount } of last.status?.containerStatuses ?? []) {
      const now = pod.status?.containerStatuses?.find((status) => status.name === name);
      if (now === undefined) report(`${key} (${uid}): the status of container ${name} vanished (by ${actor})`);
      else if (now.restartCount < restartCount)
        report(`${key} (${uid}): restarts of ${name} fell from ${restartCount} to ${now.restartCount} (by ${actor})`);
    }
  },
});

function isTerminal({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}
