/** What all controllers see of the cluster: one informer for each kind, shared. */
import type { V1ServiceAccount } from '@kubernetes/client-node';
import type { Clock, Random } from '../../clock.ts';
import type { KubeClient } from '../../kube/client.ts';
import { createInformer, type Informer } from '../../kube/informer.ts';
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  LEASES,
  NAMESPACES,
  NODES,
  PODS,
  REPLICA_SETS,
  type Resource,
  SECRETS,
} from '../../kube/resources.ts';
import type {
  ConfigMap,
  Deployment,
  KubeObject,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Secret,
  Wire,
} from '../../kube/types.ts';
import type { Logger } from '../../log.ts';
import type { ApiMetrics } from '../../metrics/api.ts';

type ServiceAccount = Wire<V1ServiceAccount>;

const SERVICE_ACCOUNTS: Resource<ServiceAccount> = {
  group: '',
  version: 'v1',
  plural: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
};

export interface Caches {
  readonly pods: Informer<Pod>;
  readonly nodes: Informer<Node>;
  readonly namespaces: Informer<Namespace>;
  readonly leases: Informer<Lease>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly deployments: Informer<Deployment>;
  readonly configMaps: Informer<ConfigMap>;
  readonly secrets: Informer<Secret>;
  readonly serviceAccounts: Informer<ServiceAccount>;
}

/** A kind whose objects may own others or be owned. */
export interface CachedKind {
  readonly resource: Resource<KubeObject>;
  readonly informer: Informer<KubeObject>;
}

export interface CacheOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ApiMetrics;
  readonly log: Logger;
}

export interface CacheSet {
  readonly caches: Caches;
  readonly kinds: readonly CachedKind[];
}

export function createCaches(options: CacheOptions): CacheSet {
  const kinds: CachedKind[] = [];
  function cache<T extends KubeObject>(resource: Resource<T>): Informer<T> {
    const informer = createInformer<T>({ ...options, resource, selection: {} });
    // Read only: whoever looks at all kinds sees of each object what every object has.
    kinds.push({ resource, informer: informer as unknown as Informer<KubeObject> });
    return informer;
  }
  const caches: Caches = {
    pods: cache(PODS),
    nodes: cache(NODES),
    namespaces: cache(NAMESPACES),
    leases: cache(LEASES),
    replicaSets: cache(REPLICA_SETS),
    deployments: cache(DEPLOYMENTS),
    configMaps: cache(CONFIG_MAPS),
    secrets: cache(SECRETS),
    serviceAccounts: cache(SERVICE_ACCOUNTS),
  };
  return { caches, kinds };
}
