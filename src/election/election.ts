/** A replica's part in the election of a set: a campaign for each zone, and the Lease that tells the others of it. */
import type { Clock, Random } from '../clock.ts';
import { ZoneletError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Informer } from '../kube/informer.ts';
import type { Lease, Node } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { ElectionMetrics } from '../metrics/election.ts';
import { type Campaign, createCampaign } from './campaign.ts';
import { type Candidates, createCandidates } from './candidates.ts';
import { HAND_BACK_DEFAULT, type HandBackSettings, type Timing } from './contest.ts';
import { zoneFloor } from './epoch-floor.ts';
import { holderIdentity } from './identity.ts';
import { createLeaseLock } from './lease-lock.ts';
import type { ElectionKind } from './lock.ts';
import { candidateLeasePrefix, zoneLeaseName } from './names.ts';
import type { RedisLockMaker } from './redis-election.ts';
import { anyWitness, type Witness } from './witness.ts';

export interface ElectionOptions {
  readonly client: KubeClient;
  readonly set: string;
  /** Where the set's Leases live. */
  readonly namespace: string;
  readonly replica: { readonly name: string; readonly uid?: string; readonly homeZone?: string };
  /** New with every start of the process. */
  readonly bootId: string;
  readonly zones: readonly ElectedZone[];
  /** What the leaders are elected by. @defaultValue lease */
  readonly by?: ElectionKind;
  /** Makes the locks on Redis: needed to elect by them, and to take over a set that does. */
  readonly redisLock?: RedisLockMaker;
  readonly timing: Timing;
  /** @defaultValue auto, after 60 s */
  readonly handBack?: HandBackSettings;
  /** Leases with the label `zonelet.dev/set` of the set. The caller runs it. */
  readonly leases: Informer<Lease>;
  /** Nodes of the set. The caller runs it. */
  readonly nodes: Informer<Node>;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: ElectionMetrics;
  readonly log: Logger;
}

export interface ElectedZone {
  readonly name: string;
  readonly nodeName: string;
  /** Whose word on a leader's death is taken here. @defaultValue nobody's: a lease has to run out */
  readonly witness?: Witness;
}

export interface Election {
  /** Holder identity of this replica. */
  readonly holder: string;
  /** What the replicas tell of themselves. */
  readonly candidates: Candidates;
  readonly by: ElectionKind;
  /** The campaign for a zone of the set; always the same one. */
  campaign(zone: string): Campaign;
  /** Tells the others of this replica until the signal aborts. `ready`: campaigns may begin. */
  run(signal: AbortSignal, ready: () => void): Promise<void>;
}

export function createElection(options: ElectionOptions): Election {
  const { client, set, namespace, replica, zones, timing, leases, clock, random, metrics, log } = options;
  const holder = holderIdentity(replica.name, replica.uid, options.bootId);
  const { leaseDurationMs } = timing;
  const { by = 'lease', redisLock } = options;
  if (by === 'redis' && redisLock === undefined) {
    throw new ZoneletError('InvalidInput', 'an election by Redis needs Redis servers');
  }
  const candidates = createCandidates({
    client,
    leases,
    set,
    namespace,
    replica: replica.name,
    holder,
    homeZone: replica.homeZone,
    election: by,
    campaignsFor: zones.map(({ name }) => name),
    leaseDurationMs,
    clock,
    log,
  });
  const campaigns = new Map<string, Campaign>();
  for (const { name: zone, nodeName, witness = anyWitness([]) } of zones) {
    const name = zoneLeaseName(set, zone);
    if (name.startsWith(candidateLeasePrefix(set))) {
      throw new ZoneletError(
        'InvalidInput',
        `zone ${zone}: names that begin with "replica-" are taken by the replicas`,
      );
    }
    const lease = createLeaseLock({ client, leases, namespace, name, set, holder, leaseDurationMs, clock });
    const onRedis = redisLock?.({ zone, holder, leaseDurationMs });
    const [lock, otherLock] = by === 'redis' && onRedis !== undefined ? [onRedis, lease] : [lease, onRedis];
    campaigns.set(
      zone,
      createCampaign({
        zone,
        by,
        lock,
        otherLock,
        floor: zoneFloor(client, options.nodes, nodeName),
        candidates,
        witness,
        holder,
        replica: replica.name,
        timing,
        handBack: options.handBack ?? HAND_BACK_DEFAULT,
        clock,
        random,
        metrics,
        log,
      }),
    );
  }
  return {
    holder,
    candidates,
    by,
    campaign(zone) {
      const campaign = campaigns.get(zone);
      if (campaign === undefined) throw new ZoneletError('InvalidInput', `the set has no zone ${zone}`);
      return campaign;
    },
    run: (signal, ready) => candidates.run(signal, ready),
  };
}
