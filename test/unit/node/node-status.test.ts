import { describe, expect, it } from 'vitest';
import { parseTime } from '../../../src/kube/micro-time.ts';
import { renewed } from '../../../src/node/heartbeat.ts';
import type { NodeHealth } from '../../../src/node/node-health.ts';
import { type NodeStatusInput, nodeStatus } from '../../../src/node/node-status.ts';

const health: NodeHealth = {
  backend: { status: 'True', reason: 'BackendUp', message: 'ok' },
  taint: 'none',
  onlyAllocated: undefined,
  notReady: undefined,
};
const input: NodeStatusInput = {
  nodeName: 'shop-zone-a',
  address: '192.0.2.7',
  kubeletPort: 10251,
  os: 'linux',
  arch: 'amd64',
  runtime: 'web',
  version: '0.1.0',
  capacity: undefined,
  report: { state: 'Up', capacity: { cpu: '8', pods: '100' }, allocatable: { cpu: '7', pods: '100' }, evidence: 'ok' },
  health,
  now: '2026-01-01T00:00:00Z',
};

function condition(of: ReturnType<typeof nodeStatus>, type: string) {
  return of.conditions?.find((c) => c.type === type);
}

describe('the status of a virtual node', () => {
  it('says where the leader answers and how much room the backend reports', () => {
    const status = nodeStatus(input, undefined);
    expect(status.addresses).toEqual([
      { type: 'InternalIP', address: '192.0.2.7' },
      { type: 'Hostname', address: 'shop-zone-a' },
    ]);
    expect(status.daemonEndpoints?.kubeletEndpoint?.Port).toBe(10251);
    expect(status.capacity).toEqual({ cpu: '8', pods: '100' });
    expect(status.allocatable).toEqual({ cpu: '7', pods: '100' });
    expect(condition(status, 'Ready')?.status).toBe('True');
  });

  it('lets the configuration name a resource and the backend the others', () => {
    const status = nodeStatus({ ...input, capacity: { cpu: '4' } }, undefined);
    expect(status.capacity).toEqual({ cpu: '4', pods: '100' });
    expect(status.allocatable).toEqual({ cpu: '4', pods: '100' });
  });

  it('is not Ready while nobody has said how much room there is', () => {
    const status = nodeStatus({ ...input, report: undefined }, undefined);
    expect(condition(status, 'Ready')).toMatchObject({ status: 'False', reason: 'CapacityUnknown' });
    expect(status.capacity).toBeUndefined();
  });

  it('stays Ready with a backend that does not answer, and says so beside it', () => {
    const unknown = { status: 'Unknown', reason: 'BackendUnknown', message: 'timed out' } as const;
    const down = { ...input, capacity: { cpu: '4' }, report: undefined, health: { ...health, backend: unknown } };
    const status = nodeStatus(down, undefined);
    expect(condition(status, 'Ready')?.status).toBe('True');
    expect(condition(status, 'zonelet.dev/BackendReady')).toMatchObject({ status: 'Unknown', message: 'timed out' });
  });

  it('keeps the room that the Node has stated while the backend says nothing, also over a change of leader', () => {
    const before = nodeStatus(input, undefined);
    for (const report of [undefined, { state: 'Unknown', evidence: 'timed out' } as const]) {
      const status = nodeStatus({ ...input, report }, { status: before });
      expect(condition(status, 'Ready')?.status).toBe('True');
      expect(status.capacity).toEqual(before.capacity);
      expect(status.allocatable).toEqual(before.allocatable);
    }
  });

  it('offers no more than what is allocated when it is to take no new pods, and never more than before', () => {
    const shrunk = { ...health, onlyAllocated: { cpu: '2500m', memory: '1Gi', pods: '120' } };
    const status = nodeStatus({ ...input, health: shrunk }, undefined);
    expect(status.allocatable).toEqual({ cpu: '2500m', pods: '100' });
    expect(status.capacity).toEqual({ cpu: '8', pods: '100' });
    expect(nodeStatus({ ...input, health: { ...health, onlyAllocated: {} } }, undefined).allocatable).toEqual({
      cpu: '0',
      pods: '0',
    });
  });

  it('is not Ready when its zone is to be left, and says why', () => {
    const notReady = { reason: 'ZoneBackendDown', message: 'for 60 s' };
    const status = nodeStatus({ ...input, health: { ...health, notReady } }, undefined);
    expect(condition(status, 'Ready')).toMatchObject({ status: 'False', ...notReady });
  });

  it('changes lastTransitionTime only with the status, also over a change of leader', () => {
    const first = nodeStatus(input, undefined);
    const later = { ...input, now: '2026-01-01T01:00:00Z' };
    const same = nodeStatus(later, { status: first });
    expect(condition(same, 'Ready')).toMatchObject({
      lastTransitionTime: '2026-01-01T00:00:00Z',
      lastHeartbeatTime: '2026-01-01T01:00:00Z',
    });
    const down = { status: 'False', reason: 'BackendDown', message: 'gone' } as const;
    const other = nodeStatus({ ...later, health: { ...health, backend: down } }, { status: first });
    expect(condition(other, 'zonelet.dev/BackendReady')?.lastTransitionTime).toBe('2026-01-01T01:00:00Z');
  });
});

describe('the node Lease', () => {
  const node = { nodeName: 'shop-zone-a', nodeUid: () => 'uid-1' };

  it('belongs to the Node and is held in its name for 40 s, as the kubelet has it', () => {
    const lease = renewed(undefined, node, Date.UTC(2026, 0, 1));
    expect(lease.metadata?.ownerReferences).toEqual([
      { apiVersion: 'v1', kind: 'Node', name: 'shop-zone-a', uid: 'uid-1' },
    ]);
    expect(lease.spec).toEqual({
      holderIdentity: 'shop-zone-a',
      leaseDurationSeconds: 40,
      renewTime: '2026-01-01T00:00:00.000000Z',
    });
  });

  it('never goes back in time, even from a replica whose clock is ten minutes behind', () => {
    const ahead = renewed(undefined, node, Date.UTC(2026, 0, 1, 0, 10));
    const behind = renewed(ahead, node, Date.UTC(2026, 0, 1));
    const before = parseTime(ahead.spec?.renewTime) ?? 0;
    expect(parseTime(behind.spec?.renewTime)).toBe(before + 1);
  });
});
