/**
 * What pods of a zone may have of the hosts behind its backend. Nothing, unless the zone's configuration allows it: a
 * virtual node takes pods of everybody, DaemonSets that tolerate everything included, and its hosts may serve others.
 */
import type { Pod } from '../kube/types.ts';
import type { Unsupported } from '../provider/contract.ts';

export interface HostPolicy {
  readonly hostNetwork: boolean;
  readonly hostPID: boolean;
  readonly hostIPC: boolean;
  readonly hostPorts: boolean;
  /** Windows host processes are privileged too. */
  readonly privileged: boolean;
  /** Folders of the host that may be mounted, with all that is in them. */
  readonly hostPaths: readonly string[];
}

export const NOTHING_OF_THE_HOST: HostPolicy = {
  hostNetwork: false,
  hostPID: false,
  hostIPC: false,
  hostPorts: false,
  privileged: false,
  hostPaths: [],
};

/** Every field that asks for something of the host that the policy does not allow. */
export function* forbiddenOfHost(pod: Pod, policy: HostPolicy): Generator<Unsupported> {
  const { spec } = pod;
  if (spec === undefined) return;
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
    if (spec[field] === true && !policy[field]) yield { path: `spec.${field}`, reason: notAllowed(field) };
  }
  if (spec.securityContext?.windowsOptions?.hostProcess === true && !policy.privileged) {
    yield { path: 'spec.securityContext.windowsOptions.hostProcess', reason: notAllowed('privileged') };
  }
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, { securityContext, ports = [] }] of (spec[list] ?? []).entries()) {
      const at = `spec.${list}[${i}]`;
      if (!policy.privileged) {
        if (securityContext?.privileged === true) {
          yield { path: `${at}.securityContext.privileged`, reason: notAllowed('privileged') };
        }
        if (securityContext?.windowsOptions?.hostProcess === true) {
          yield { path: `${at}.securityContext.windowsOptions.hostProcess`, reason: notAllowed('privileged') };
        }
      }
      // On the host's network each port is one of the host's: the API server says so by itself.
      if (policy.hostPorts || spec.hostNetwork === true) continue;
      for (const [j, { hostPort = 0 }] of ports.entries()) {
        if (hostPort > 0) yield { path: `${at}.ports[${j}].hostPort`, reason: notAllowed('hostPorts') };
      }
    }
  }
  for (const [i, { hostPath }] of (spec.volumes ?? []).entries()) {
    if (hostPath !== undefined && !policy.hostPaths.some((folder) => isWithin(hostPath.path, folder))) {
      yield { path: `spec.volumes[${i}].hostPath`, reason: notAllowed('hostPaths') };
    }
  }
}

function notAllowed(key: string): string {
  return `not allowed in this zone (zones[].allow.${key})`;
}

function isWithin(path: string, folder: string): boolean {
  if (path.split('/').includes('..')) return false;
  const [inner, outer] = [path, folder].map((one) => one.split('/').filter((part) => part !== '' && part !== '.'));
  return path.startsWith('/') && (outer ?? []).every((part, i) => inner?.[i] === part);
}
