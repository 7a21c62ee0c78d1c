/** Labels, annotations and conditions that Zonelet writes on a Node, and the name that it gives one. */

export const SET_LABEL = 'zonelet.dev/set';
export const ZONE_LABEL = 'zonelet.dev/zone';
/** Highest epoch that was claimed for the zone: the floor below which no leader may write. */
export const EPOCH_ANNOTATION = 'zonelet.dev/epoch';
/** Holder of that epoch. */
export const LEADER_ANNOTATION = 'zonelet.dev/leader';
/** Which election the set uses; a replica configured otherwise does not campaign. */
export const ELECTION_ANNOTATION = 'zonelet.dev/election';
/** What Zonelet itself last set of labels and taints, so that a later configuration can take it back and nothing else. */
export const APPLIED_ANNOTATION = 'zonelet.dev/applied';
/** Condition: what the zone's backend says of itself. */
export const BACKEND_CONDITION = 'zonelet.dev/BackendReady';

/** `spec.providerID` of the virtual node of a zone; also the proof that a Node object is ours. */
export function providerId(set: string, zone: string): string {
  return `zonelet://${set}/${zone}`;
}
