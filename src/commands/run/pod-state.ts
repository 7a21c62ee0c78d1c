/** Where the pod state of a zone is kept. */
import type { Logger } from '../../log.ts';
import type { RedisServer } from '../../redis/server.ts';
import type { StateStore } from '../../state/contract.ts';
import { kubernetesStateStore } from '../../state/kubernetes-store.ts';
import { zoneKeys } from '../../state/redis-scripts.ts';
import { createRedisStateStore } from '../../state/redis-store.ts';
import type { ReplicaOptions } from './replica-options.ts';

/** On the pods unless there is a `server` for it. `owner`: `<UID of the namespace kube-system>/<set>`. */
export function zoneState(
  { config, clock, random, metrics }: ReplicaOptions,
  server: RedisServer | undefined,
  { zone, owner, log }: { readonly zone: string; readonly owner: string; readonly log: Logger },
): StateStore {
  if (server === undefined || config.redis === undefined) return kubernetesStateStore;
  return createRedisStateStore({
    server,
    keys: zoneKeys(config.redis.keyPrefix, owner, zone),
    zone,
    clock,
    random,
    metrics: metrics.state,
    onFenced: () => metrics.election.fenced.inc({ zone, by: 'state' }),
    log,
  });
}
