/** Names that the election writes for others to read: Leases, and labels and annotations on them and on Nodes. */

export const SET_LABEL = 'zonelet.dev/set';
/** On a Node: highest epoch that was claimed for the zone, the floor below which no leader may write. */
export const EPOCH_ANNOTATION = 'zonelet.dev/epoch';
/** On a Node or a pod: epoch of the term that wrote its status last; carried only where a policy compares it. */
export const WRITER_EPOCH_ANNOTATION = 'zonelet.dev/writer-epoch';
/** On a Node: holder of that epoch. */
export const LEADER_ANNOTATION = 'zonelet.dev/leader';
/**
 * On a Node: which election the set uses; a replica configured otherwise waits for its lock to be out. On a candidate
 * Lease: which one the replica uses.
 */
export const ELECTION_ANNOTATION = 'zonelet.dev/election';
/** On a candidate Lease: the zone that the replica prefers to lead. */
export const HOME_ZONE_ANNOTATION = 'zonelet.dev/home-zone';
/** On a candidate Lease: the zones that the replica leads, separated by commas. */
export const ZONES_ANNOTATION = 'zonelet.dev/zones';
/** On a candidate Lease: the zones that the replica campaigns for, separated by commas; without it, all. */
export const CAMPAIGNS_ANNOTATION = 'zonelet.dev/campaigns-for';
/** On a candidate Lease: why the replica gives its zones away and takes none; without it, it does not. */
export const DRAINING_ANNOTATION = 'zonelet.dev/draining';
/** On a candidate Lease: what the replica sees of each zone's backend. */
export const BACKENDS_ANNOTATION = 'zonelet.dev/backends';
/** On a candidate Lease: where the replica's peers connect to and by which certificate they know it. */
export const PEER_ANNOTATION = 'zonelet.dev/peer';
/** On a candidate Lease: the replica's container and since when it lives (`container-end.ts`). */
export const PROCESS_ANNOTATION = 'zonelet.dev/process';
/** On a zone's Lease that was given up: the replica that it is meant for. */
export const HAND_OVER_ANNOTATION = 'zonelet.dev/hand-over-to';
/** On a Node: an operator asks the zone's leader to give the zone away (`hand-over-request.ts`). */
export const HANDOVER_REQUEST_ANNOTATION = 'zonelet.dev/handover-to';
/** On a Node: the answer to the last such request. */
export const HANDOVER_OUTCOME_ANNOTATION = 'zonelet.dev/handover';
/** On a Node: an operator asks the zone's leader to take the zone away (`zone/removal.ts`). */
export const REMOVAL_REQUEST_ANNOTATION = 'zonelet.dev/remove';
/** On a Node: the answer. A Node that goes with it, not refused, was removed with its zone. */
export const REMOVAL_OUTCOME_ANNOTATION = 'zonelet.dev/removal';

export function zoneLeaseName(set: string, zone: string): string {
  return `zonelet-${set}-${zone}`;
}

/** What the names of a set's candidate Leases begin with; the replica's name follows. */
export function candidateLeasePrefix(set: string): string {
  return `zonelet-${set}-replica-`;
}
