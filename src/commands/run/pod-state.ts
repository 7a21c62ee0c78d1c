/** Where the pod state of a zone is kept. */
import type { Logger } from '../../log.ts';
import type { ReadinessCheck } from '../../metrics/http-server.ts';
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

/** A Redis that is away is told and makes nobody unready: zones are led without it. */
export function stateReadiness(server: RedisServer | undefined): ReadinessCheck[] {
  if (server === undefined) return [];
  const check: ReadinessCheck['check'] = () => {
    const detail =
      server.state === 'up' ? undefined : (server.lastError?.message ?? `${server.name} has not answered yet`);
    return { ok: true, ...(detail === undefined ? {} : { detail: `not shared: ${detail}` }) };
  };
  return [{ name: 'pod state', check }];
}
