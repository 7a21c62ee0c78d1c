/** What a replica has of each zone whether or not it leads there: identity, guarded provider, cache of pods. */
import type { ZoneConfig } from '../../config/config.ts';
import type { Informer } from '../../kube/informer.ts';
import { createInformer } from '../../kube/informer.ts';
import { PODS } from '../../kube/resources.ts';
import type { PodSharing } from '../../kube/sharing.ts';
import type { Pod } from '../../kube/types.ts';
import type { Logger } from '../../log.ts';
import { beginZoneSeries } from '../../metrics/zone-series.ts';
import type { NodeIdentity } from '../../node/node-object.ts';
import { createGuard, type GuardedProvider } from '../../provider/guard.ts';
import type { ReplicaOptions } from './replica-options.ts';

export interface ZoneParts extends AsyncDisposable {
  readonly zone: ZoneConfig;
  readonly identity: NodeIdentity;
  readonly provider: GuardedProvider;
  readonly pods: Informer<Pod>;
  readonly log: Logger;
}

/** `sharePods` serves all zones, whose pods are mostly of the same templates. */
export async function prepareZone(
  zone: ZoneConfig,
  options: ReplicaOptions,
  sharePods: PodSharing,
): Promise<ZoneParts> {
  const { config, client, clock, random, metrics } = options;
  const log = options.log.child({ zone: zone.name });
  const { name, region, nodeName } = zone;
  beginZoneSeries(name, metrics);
  const context = { set: config.set, zone: name, region, clock, random, log };
  const provider = await options.outside.createProvider(zone.provider, context);
  return {
    zone,
    identity: {
      set: config.set,
      zone: name,
      region,
      nodeName,
      labels: zone.labels,
      taints: zone.taints.map((taint) => ({ ...taint })),
      os: 'linux',
      arch: options.arch,
      election: config.election.by,
    },
    provider: createGuard({
      provider,
      clock,
      metrics: metrics.provider,
      log,
      onFenced: (by) => metrics.election.fenced.inc({ zone: name, by }),
    }),
    pods: createInformer({
      client,
      resource: PODS,
      selection: { fieldSelector: `spec.nodeName=${nodeName}` },
      clock,
      random,
      metrics: metrics.api,
      log,
      transform: sharePods,
    }),
    log,
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  };
}
