/** What a node itself must offer a pod. Source: pkg/scheduler/framework/plugins: noderesources, nodeports. */
import type { Pod } from '../../../kube/types.ts';
import { quantity } from '../../../quantity.ts';
import type { NodeView, PlacedPod } from './cluster-view.ts';

/** Every resource that does not suffice, as the scheduler says it; empty when the pod fits. */
export function missingResources(candidate: PlacedPod, view: NodeView): string[] {
  const reasons: string[] = [];
  const { allocatable = {} } = view.node.status ?? {};
  const room = (name: string): bigint => {
    const text = allocatable[name];
    return text === undefined ? 0n : quantity(text).nanos;
  };
  if (BigInt(view.pods.size + 1) * 1_000_000_000n > room('pods')) reasons.push('Too many pods');
  for (const [name, { nanos }] of candidate.requests) {
    if (nanos > 0n && nanos > room(name) - (view.requested.get(name) ?? 0n)) reasons.push(`Insufficient ${name}`);
  }
  return reasons;
}

interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

export function hostPorts(pod: Pod): HostPort[] {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const lasting = [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')];
  return lasting.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, hostIP = '', protocol = 'TCP' }) =>
      hostPort === 0 ? [] : [{ ip: hostIP === '' ? ANY : hostIP, protocol, port: hostPort }],
    ),
  );
}

const ANY = '0.0.0.0';

export function hasFreePorts(wanted: readonly HostPort[], view: NodeView): boolean {
  if (wanted.length === 0) return true;
  for (const { pod } of view.pods.values()) {
    for (const taken of hostPorts(pod)) {
      const clash = wanted.some(
        ({ ip, protocol, port }) =>
          port === taken.port && protocol === taken.protocol && (ip === taken.ip || ip === ANY || taken.ip === ANY),
      );
      if (clash) return false;
    }
  }
  return true;
}

/** 0 to 100: the share of cores and memory that would be left. Source: noderesources/least_allocated.go. */
export function leastAllocated(candidate: PlacedPod, view: NodeView): number {
  const { allocatable = {} } = view.node.status ?? {};
  let sum = 0;
  let resources = 0;
  for (const name of ['cpu', 'memory'] as const) {
    const text = allocatable[name];
    const room = text === undefined ? 0n : quantity(text).nanos;
    if (room === 0n) continue;
    resources++;
    const used = view.assumed[name] + candidate.assumed[name];
    if (used <= room) sum += Number(((room - used) * 100n) / room);
  }
  return resources === 0 ? 0 : Math.floor(sum / resources);
}
