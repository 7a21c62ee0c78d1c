/** The ports of its host that a pod asks for. Source: k8s.io/component-helpers and the scheduler's `HostPortInfo`. */
import type { Pod } from '../kube/types.ts';

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

const EVERY_ADDRESS = '0.0.0.0';

/** Of the containers, and of the init containers that keep running beside them. */
export function hostPorts(pod: Pod): readonly HostPort[] {
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const found: HostPort[] = [];
  for (const { ports = [] } of [...initContainers.filter((one) => one.restartPolicy === 'Always'), ...containers]) {
    for (const { hostPort = 0, hostIP, protocol = 'TCP' } of ports) {
      if (hostPort > 0) found.push({ ip: hostIP || EVERY_ADDRESS, protocol, port: hostPort });
    }
  }
  return found;
}

export function portsCollide(a: HostPort, b: HostPort): boolean {
  const sameAddress = a.ip === b.ip || a.ip === EVERY_ADDRESS || b.ip === EVERY_ADDRESS;
  return sameAddress && a.port === b.port && a.protocol === b.protocol;
}
