/** Labels, annotations and conditions that Zonelet writes on a Node, and the name that it gives one. */

export { ELECTION_ANNOTATION, EPOCH_ANNOTATION, LEADER_ANNOTATION, SET_LABEL } from '../election/names.ts';
export const ZONE_LABEL = 'zonelet.dev/zone';
/** What Zonelet itself last set of labels and taints, so that a later configuration can take it back and nothing else. */
export const APPLIED_ANNOTATION = 'zonelet.dev/applied';
/** Condition: how the zone's backend is, as the replicas agree. */
export const BACKEND_CONDITION = 'zonelet.dev/BackendReady';
/** Since when the zone is given up (RFC 3339); as long as it stands, and the node is not Ready, the zone is not taken back yet. */
export const GIVEN_UP_ANNOTATION = 'zonelet.dev/given-up';
/** Taints: the backend runs what it has and takes no new pods; it is down for all replicas. */
export const NO_NEW_PODS_TAINT = 'zonelet.dev/no-new-pods';
export const BACKEND_DOWN_TAINT = 'zonelet.dev/backend-down';
/** Namespace of the node Leases (KEP-589). */
export const NODE_LEASES = 'kube-node-lease';

/** `spec.providerID` of the virtual node of a zone; also the proof that a Node object is ours. */
export function providerId(set: string, zone: string): string {
  return `zonelet://${set}/${zone}`;
}
