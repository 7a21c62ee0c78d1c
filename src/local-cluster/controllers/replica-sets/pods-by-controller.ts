/** The cached pods, found by who controls them. */
import { type Informer, keyOf } from '../../../kube/informer.ts';
import type { Pod } from '../../../kube/types.ts';
import { controllerOf } from '../ownership.ts';

export interface PodsByController {
  /** Pods that the object with this UID controls, and pods of the namespace that nobody does. */
  candidates(uid: string, namespace: string): Pod[];
  controlledBy(uid: string): Pod[];
}

export function createPodsByController(pods: Informer<Pod>): PodsByController {
  const groups = new Map<string, Map<string, Pod>>();

  function groupOf(pod: Pod): string {
    const uid = controllerOf(pod)?.uid;
    return uid === undefined ? `namespace ${pod.metadata?.namespace ?? ''}` : `uid ${uid}`;
  }

  function put(pod: Pod): void {
    const name = groupOf(pod);
    const group = groups.get(name) ?? new Map<string, Pod>();
    groups.set(name, group.set(keyOf(pod), pod));
  }

  function take(pod: Pod): void {
    const name = groupOf(pod);
    const group = groups.get(name);
    group?.delete(keyOf(pod));
    if (group?.size === 0) groups.delete(name);
  }

  pods.subscribe({
    added: put,
    updated(before, after) {
      take(before);
      put(after);
    },
    // The last state may show another owner than the one it was filed under.
    deleted(last) {
      for (const [name, group] of groups) {
        if (group.delete(keyOf(last)) && group.size === 0) groups.delete(name);
      }
    },
  });

  const list = (name: string): Pod[] => [...(groups.get(name)?.values() ?? [])];
  return {
    candidates: (uid, namespace) => [...list(`uid ${uid}`), ...list(`namespace ${namespace}`)],
    controlledBy: (uid) => list(`uid ${uid}`),
  };
}
