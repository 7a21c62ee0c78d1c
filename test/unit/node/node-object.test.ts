import { describe, expect, it } from 'vitest';
import { epochFloor, mayClaim } from '../../../src/election/epoch-floor.ts';
import type { Node } from '../../../src/kube/types.ts';
import { bearsClaim, claimPatch, isOurs, type NodeIdentity, newNode } from '../../../src/node/node-object.ts';
import { identity as plain } from './identity.ts';

const taint = { key: 'virtual-kubelet.io/provider', value: 'web', effect: 'NoSchedule' };
const identity: NodeIdentity = { ...plain, labels: { tier: 'burst' }, taints: [taint] };
const claim = { epoch: 7, holder: 'replica-0_u_b' };

interface ClaimBody {
  metadata: { labels: Record<string, string | null>; annotations: Record<string, string> };
  spec: { taints?: object[]; providerID?: string };
}

/** The Node as the API server would have it after `patch`. */
function patched(node: Node, patch: ClaimBody): Node {
  const labels = { ...node.metadata?.labels, ...patch.metadata.labels };
  for (const [key, value] of Object.entries(labels)) if (value === null) delete labels[key];
  return {
    ...node,
    metadata: {
      ...node.metadata,
      labels: labels as Record<string, string>,
      annotations: { ...node.metadata?.annotations, ...patch.metadata.annotations },
    },
    spec: { ...node.spec, ...(patch.spec as Node['spec']) },
  };
}

describe('the Node of a zone', () => {
  it('carries the zone topology, so that spread constraints and volumes see a zone', () => {
    expect(newNode(identity, claim).metadata?.labels).toMatchObject({
      'topology.kubernetes.io/zone': 'zone-a',
      'topology.kubernetes.io/region': 'north',
      'kubernetes.io/hostname': 'shop-zone-a',
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      type: 'virtual-kubelet',
      tier: 'burst',
    });
  });

  it('is created claimed, tainted and with its providerID', () => {
    const node = newNode(identity, claim);
    expect(epochFloor(node)).toBe(7);
    expect(node.spec).toEqual({ providerID: 'zonelet://shop/zone-a', taints: [taint] });
    expect(bearsClaim(node, identity, claim)).toBe(true);
  });

  it('keeps what others wrote when another leader claims it', () => {
    const node = newNode(identity, claim);
    node.metadata!.labels!.owner = 'payments';
    node.metadata!.annotations!.note = 'hands off';
    node.spec!.taints!.push({ key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' });
    const patch = claimPatch(node, identity, { epoch: 8, holder: 'replica-1_u_b' }) as ClaimBody;
    expect(patch.spec.taints).toBeUndefined();
    const after = patched(node, patch);
    expect(after.metadata?.labels?.owner).toBe('payments');
    expect(after.metadata?.annotations).toMatchObject({ note: 'hands off', 'zonelet.dev/epoch': '8' });
  });

  it('does not put back a taint that an administrator took away', () => {
    const node = newNode(identity, claim);
    node.spec!.taints = [];
    expect((claimPatch(node, identity, { epoch: 8, holder: 'x' }) as ClaimBody).spec.taints).toBeUndefined();
  });

  it('takes back labels and taints that a new configuration no longer has, and only those', () => {
    const node = newNode(identity, claim);
    node.spec!.taints!.push({ key: 'maintenance', effect: 'NoExecute' });
    const changed = { ...identity, labels: {}, taints: [{ key: 'dedicated', effect: 'NoSchedule' }] };
    const patch = claimPatch(node, changed, { epoch: 8, holder: 'x' }) as ClaimBody;
    expect(patch.metadata.labels.tier).toBeNull();
    expect(patch.spec.taints).toEqual([
      { key: 'maintenance', effect: 'NoExecute' },
      { key: 'dedicated', effect: 'NoSchedule' },
    ]);
  });

  it.each([
    ['a real node', { providerID: 'aws:///eu-west-1a/i-1' }, 'v1.36.3', false],
    ['a real node without a cloud', {}, 'v1.36.3', false],
    ["another set's", { providerID: 'zonelet://other/zone-a' }, 'v1.36.0-zonelet-0.1.0', false],
    ['ours', { providerID: 'zonelet://shop/zone-a' }, 'v1.36.0-zonelet-0.1.0', true],
    ['an empty one', {}, undefined, true],
  ])('is not mistaken: %s', (_, spec, kubeletVersion, ours) => {
    const node = { spec, status: kubeletVersion === undefined ? {} : { nodeInfo: { kubeletVersion } } } as Node;
    expect(isOurs(node, identity)).toBe(ours);
  });

  it.each([
    ['a lower epoch', '6', 'other', true],
    ['the same by the same holder', '7', 'replica-0_u_b', true],
    ['the same by another holder', '7', 'other', false],
    ['a higher epoch', '8', 'replica-0_u_b', false],
    ['nonsense', 'seven', 'other', true],
    ['more than a Lease can hold', '99999999999', 'other', true],
  ])('lets epoch 7 claim over %s: %s', (_, epoch, leader, allowed) => {
    const annotations = { 'zonelet.dev/epoch': epoch, 'zonelet.dev/leader': leader };
    expect(mayClaim({ metadata: { annotations } }, 7, 'replica-0_u_b')).toBe(allowed);
  });

  it('no longer bears the claim once somebody edits the epoch or a label', () => {
    const node = newNode(identity, claim);
    expect(bearsClaim(patched(node, edit({}, { 'zonelet.dev/epoch': '3' })), identity, claim)).toBe(false);
    expect(bearsClaim(patched(node, edit({ 'topology.kubernetes.io/zone': 'b' }, {})), identity, claim)).toBe(false);
    expect(bearsClaim(patched(node, edit({ other: 'x' }, { other: 'y' })), identity, claim)).toBe(true);
  });
});

function edit(labels: Record<string, string>, annotations: Record<string, string>): ClaimBody {
  return { metadata: { labels, annotations }, spec: {} };
}
