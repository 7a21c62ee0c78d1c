/** What is added to or refused of a write before it is checked: the API server's admission plugins that show. */

import type { Random } from '../../../clock.ts';
import type { Pod, Service } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import type { Kind } from '../kinds/kind.ts';
import type { Store } from '../storage/store.ts';
import { addDefaultTolerations, type TolerationSettings } from './default-tolerations.ts';
import { refuseInNamespace } from './namespace-lifecycle.ts';
import { taintNewNode } from './new-node-taint.ts';
import { applyPriority } from './priority.ts';
import { applyServiceAccount } from './service-account.ts';
import { assignServiceAddress } from './service-address.ts';
import { copyTopologyLabels } from './topology-labels.ts';

export interface Admission {
  /** Changes `object`; throws what is refused. */
  create(kind: Kind, object: ApiObject): void;
  update(kind: Kind, next: ApiObject, old: ApiObject): void;
}

export interface AdmissionOptions extends TolerationSettings {
  readonly store: Store;
  readonly random: Random;
}

export function createAdmission(options: AdmissionOptions): Admission {
  const { store, random } = options;
  return {
    create(kind, object) {
      if (kind.namespaced) refuseInNamespace(store, kind, object);
      if (kind.kind === 'Node') taintNewNode(object);
      if (kind.kind === 'Service') assignServiceAddress(store, random, object as Service);
      if (kind.kind !== 'Pod') return;
      const pod = object as Pod;
      applyServiceAccount(store, random, pod);
      addDefaultTolerations(pod, options);
      applyPriority(pod);
      copyTopologyLabels(store, pod, pod.spec?.nodeName);
    },
    update(kind, next, old) {
      if (kind.kind !== 'Pod') return;
      const pod = next as Pod;
      addDefaultTolerations(pod, options);
      const before = (old as Pod).spec;
      if (pod.spec !== undefined && before?.priority !== undefined) pod.spec.priority ??= before.priority;
      if (pod.spec !== undefined && before?.preemptionPolicy !== undefined) {
        pod.spec.preemptionPolicy ??= before.preemptionPolicy;
      }
    },
  };
}
