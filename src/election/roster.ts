/** The other replicas of the set, as the watch of their candidate Leases shows them. */
import type { Clock } from '../clock.ts';
import type { Informer } from '../kube/informer.ts';
import type { Lease } from '../kube/types.ts';
import { type BackendSights, isCutOff, readSights } from './backend-sight.ts';
import type { Contact } from './contact.ts';
import type { Contender } from './eligibility.ts';
import type { ElectionKind } from './lock.ts';
import {
  BACKENDS_ANNOTATION,
  CAMPAIGNS_ANNOTATION,
  candidateLeasePrefix,
  DRAINING_ANNOTATION,
  ELECTION_ANNOTATION,
  HOME_ZONE_ANNOTATION,
  ZONES_ANNOTATION,
} from './names.ts';

/** Another replica, as its candidate Lease tells. */
export interface Living extends Contender {
  readonly holder: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** The zones that it leads. */
  readonly zones: readonly string[];
  /** Seen to change: one that is only there may be the remains of a dead replica. */
  readonly alive: boolean;
  /** It is alive and was heard of lately: it is there, and it is not slow. */
  readonly ready: boolean;
  /** Since it was last heard of. */
  readonly silentMs: number;
  /** For how long it has lived without a gap and without draining. */
  readonly healthyMs: number;
  /** How long ago it was cut off from a zone's backend, for those that it has been cut off from. */
  readonly cutOffMs: ReadonlyMap<string, number>;
}

export interface RosterOptions {
  /** The set's Leases. The caller runs it. */
  readonly leases: Informer<Lease>;
  readonly set: string;
  readonly namespace: string;
  /** Name of this replica, which is not one of the others. */
  readonly replica: string;
  readonly election: ElectionKind;
  readonly leaseDurationMs: number;
  /** Between two beats of a replica that is well. */
  readonly beatMs: number;
  readonly contact: Contact;
  readonly clock: Clock;
  /** Who lives, leads what or is draining is no longer as it was. */
  readonly changed: () => void;
  /** Another replica's Lease has changed or is gone. */
  readonly news: () => void;
}

export interface Roster {
  /** Those that were heard of within a lease's time. */
  living(): readonly Living[];
  /** A zone was given up for another replica: it counts as that one's until it takes it. */
  gave(zone: string, to: string): void;
}

interface Candidate extends Omit<Living, 'ready' | 'silentMs' | 'healthyMs' | 'cutOffMs'> {
  readonly version: string;
  /** Times are the contact's. */
  readonly beatAt: number;
  readonly healthySince: number;
  /** When it last said that it is cut off, by zone. */
  readonly cutOffAt: ReadonlyMap<string, number>;
}

/** A replica that does not take a zone that was given up for it within this time will not. */
const GIVEN_MS = 5_000;

export function createRoster(options: RosterOptions): Roster {
  const { leases, namespace, replica, leaseDurationMs, beatMs, contact, clock, changed, news } = options;
  const prefix = candidateLeasePrefix(options.set);
  const others = new Map<string, Candidate>();
  const given = new Map<string, { readonly to: string; readonly at: number }>();

  function nameOf(lease: Lease): string | undefined {
    const { name, namespace: leaseNamespace } = lease.metadata ?? {};
    if (leaseNamespace !== namespace || !name?.startsWith(prefix)) return undefined;
    const other = name.slice(prefix.length);
    return other === replica ? undefined : other;
  }

  function saw(lease: Lease): void {
    const other = nameOf(lease);
    if (other === undefined) return;
    const known = others.get(other);
    const version = lease.metadata?.resourceVersion ?? '';
    if (known?.version === version) return;
    const now = contact.now();
    const holder = lease.spec?.holderIdentity ?? '';
    const annotations = lease.metadata?.annotations ?? {};
    const electsAlike = (annotations[ELECTION_ANNOTATION] ?? 'lease') === options.election;
    const candidateFor = electsAlike ? annotations[CAMPAIGNS_ANNOTATION] : '';
    const zones = listed(annotations[ZONES_ANNOTATION]);
    const draining = annotations[DRAINING_ANNOTATION] !== undefined;
    const goesOn = known?.holder === holder && now - known.beatAt < leaseDurationMs;
    const backends = readSights(annotations[BACKENDS_ANNOTATION]);
    if (!goesOn || known.zones.join() !== zones.join() || known.draining !== draining) changed();
    for (const [zone, { to }] of given) if (to === other && zones.includes(zone)) given.delete(zone);
    others.set(other, {
      name: other,
      holder,
      annotations,
      homeZone: annotations[HOME_ZONE_ANNOTATION],
      zones,
      zonesHeld: zones.length,
      campaignsFor: candidateFor === undefined ? undefined : listed(candidateFor),
      draining,
      backends,
      cutOffAt: cutOffTimes(goesOn ? known.cutOffAt : undefined, backends, now),
      version,
      beatAt: now,
      healthySince: goesOn && !known.draining ? known.healthySince : now,
      // A newcomer is counted from its second beat on, so that nobody waits for one that dies of what it does first.
      alive: known?.holder === holder,
    });
    news();
  }

  leases.subscribe({
    added: saw,
    updated: (_before, lease) => saw(lease),
    deleted(lease) {
      const other = nameOf(lease);
      if (other === undefined || !others.delete(other)) return;
      changed();
      news();
    },
  });

  function described({ version: _version, beatAt, healthySince, cutOffAt, ...other }: Candidate): Living {
    const now = contact.now();
    const silentMs = now - beatAt;
    let { zonesHeld } = other;
    for (const [zone, { to, at }] of given) {
      if (to === other.name && clock.monotonic() - at < GIVEN_MS && !other.zones.includes(zone)) zonesHeld++;
    }
    return {
      ...other,
      zonesHeld,
      ready: other.alive && silentMs < 2.5 * beatMs,
      silentMs,
      healthyMs: now - healthySince,
      cutOffMs: new Map([...cutOffAt].map(([zone, at]) => [zone, now - at])),
    };
  }

  return {
    living: () => [...others.values()].filter(({ beatAt }) => contact.now() - beatAt < leaseDurationMs).map(described),
    gave(zone, to) {
      given.set(zone, { to, at: clock.monotonic() });
    },
  };
}

function cutOffTimes(
  before: ReadonlyMap<string, number> | undefined,
  sights: BackendSights,
  now: number,
): ReadonlyMap<string, number> {
  const times = new Map(before);
  for (const zone of sights.keys()) if (isCutOff(sights, zone)) times.set(zone, now);
  return times;
}

/** Names separated by commas. */
function listed(text = ''): string[] {
  return text.split(',').filter((name) => name !== '');
}
