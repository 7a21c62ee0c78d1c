/** The Node object of a zone: what Zonelet says of it, and how that is laid over what others have written there. */
import type { Node, Taint } from '../kube/types.ts';
import {
  APPLIED_ANNOTATION,
  ELECTION_ANNOTATION,
  EPOCH_ANNOTATION,
  LEADER_ANNOTATION,
  providerId,
  SET_LABEL,
  ZONE_LABEL,
} from './names.ts';

export interface NodeIdentity {
  readonly set: string;
  readonly zone: string;
  readonly region: string;
  readonly nodeName: string;
  /** Labels of the configuration; they win over the standard ones. */
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** `kubernetes.io/os` and `kubernetes.io/arch` of what the backend runs. */
  readonly os: string;
  readonly arch: string;
  readonly election: string;
}

export interface Claim {
  readonly epoch: number;
  readonly holder: string;
}

interface Applied {
  readonly labels: readonly string[];
  readonly taints: readonly Taint[];
}

export function nodeLabels(identity: NodeIdentity): Record<string, string> {
  return {
    'topology.kubernetes.io/zone': identity.zone,
    'topology.kubernetes.io/region': identity.region,
    'kubernetes.io/hostname': identity.nodeName,
    'kubernetes.io/os': identity.os,
    'kubernetes.io/arch': identity.arch,
    type: 'virtual-kubelet',
    [SET_LABEL]: identity.set,
    [ZONE_LABEL]: identity.zone,
    ...identity.labels,
  };
}

function annotations(identity: NodeIdentity, claim: Claim, applied: Applied): Record<string, string> {
  return {
    [EPOCH_ANNOTATION]: String(claim.epoch),
    [LEADER_ANNOTATION]: claim.holder,
    [ELECTION_ANNOTATION]: identity.election,
    [APPLIED_ANNOTATION]: JSON.stringify(applied),
  };
}

/** The Node as it is created, already claimed for this epoch. */
export function newNode(identity: NodeIdentity, claim: Claim): Node {
  const labels = nodeLabels(identity);
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: identity.nodeName,
      labels,
      annotations: annotations(identity, claim, { labels: Object.keys(labels), taints: identity.taints }),
    },
    spec: { providerID: providerId(identity.set, identity.zone), taints: [...identity.taints] },
  };
}

/** True when the Node belongs to this zone of this set (or to nobody yet: it never got a providerID nor a kubelet). */
export function isOurs(node: Node, identity: NodeIdentity): boolean {
  const id = node.spec?.providerID;
  if (id === providerId(identity.set, identity.zone)) return true;
  return (id === undefined || id === '') && (node.status?.nodeInfo?.kubeletVersion ?? '') === '';
}

/**
 * The merge patch that claims an existing Node and brings labels and taints up to date: what Zonelet applied before and
 * no longer wants goes, what it wants is there, everything that others wrote stays. A taint that an administrator
 * removed stays removed until the configuration changes. It is to be written upon `node` as it was read, and nothing else.
 */
export function claimPatch(
  node: Node,
  identity: NodeIdentity,
  claim: Claim,
): {
  readonly metadata: {
    readonly labels: Readonly<Record<string, string | null>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly taints?: Taint[]; readonly providerID?: string };
} {
  const labels = nodeLabels(identity);
  const before = lastApplied(node);
  const dropped = before.labels.filter((key) => !(key in labels));
  const taints = mergedTaints(node.spec?.taints ?? [], before.taints, identity.taints);
  const id = providerId(identity.set, identity.zone);
  return {
    metadata: {
      labels: { ...labels, ...Object.fromEntries(dropped.map((key) => [key, null])) },
      annotations: annotations(identity, claim, { labels: Object.keys(labels), taints: identity.taints }),
    },
    spec: {
      ...(taints === undefined ? {} : { taints }),
      // A providerID cannot be changed once it is set.
      ...(node.spec?.providerID === id ? {} : { providerID: id }),
    },
  };
}

/** True while the Node says what this claim wrote: nobody has edited the epoch or taken a label of ours away. */
export function bearsClaim(node: Node, identity: NodeIdentity, claim: Claim): boolean {
  const { labels = {}, annotations: notes = {} } = node.metadata ?? {};
  return (
    notes[EPOCH_ANNOTATION] === String(claim.epoch) &&
    notes[LEADER_ANNOTATION] === claim.holder &&
    Object.entries(nodeLabels(identity)).every(([key, value]) => labels[key] === value)
  );
}

function lastApplied(node: Node): Applied {
  try {
    const value: unknown = JSON.parse(node.metadata?.annotations?.[APPLIED_ANNOTATION] ?? '');
    const { labels, taints } = value as Partial<Applied>;
    return { labels: Array.isArray(labels) ? labels : [], taints: Array.isArray(taints) ? taints : [] };
  } catch {
    // Absent, or edited by hand: nothing is known to be ours, so nothing is taken away.
    return { labels: [], taints: [] };
  }
}

const taintKey = (taint: Taint): string => `${taint.key}:${taint.effect}`;

/** The taints to write; undefined when the configuration has not changed since they were applied. */
function mergedTaints(
  present: readonly Taint[],
  applied: readonly Taint[],
  wanted: readonly Taint[],
): Taint[] | undefined {
  const text = (taints: readonly Taint[]): string =>
    taints
      .map(({ key, value = '', effect }) => JSON.stringify([key, value, effect]))
      .sort((a, b) => (a < b ? -1 : 1))
      .join();
  if (text(applied) === text(wanted)) return undefined;
  const ours = new Set([...applied, ...wanted].map(taintKey));
  return [...present.filter((taint) => !ours.has(taintKey(taint))), ...wanted];
}
