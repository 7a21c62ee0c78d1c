/**
 * What every backend of the protocol has to honour, and what is refused here before anything is sent. A backend may
 * refuse more: it then answers 422 and names the fields.
 */
import type { Pod } from '../../src/kube/types.ts';
import type { Capabilities, Unsupported } from '../../src/provider/contract.ts';

/** What the protocol demands of every backend, and so what one offers that says nothing of itself. */
export const BASE_CAPABILITIES: Capabilities = {
  fence: 'epoch',
  restarts: 'backend',
  logs: true,
  exec: false,
  attach: false,
  portForward: false,
  stats: false,
  initContainers: true,
  probes: false,
  lifecycleHooks: false,
  // Needs nothing but the backend itself.
  volumes: ['emptyDir'],
  serviceAccountTokens: true,
  podIPsInEnvironment: false,
  update: ['containers[*].image', 'initContainers[*].image'],
};

/** Volumes whose content Kubernetes gives: it is sent with the pod. */
export const CONTENT_VOLUMES: readonly string[] = ['configMap', 'secret', 'projected', 'downwardAPI'];

/** ServiceAccount admission adds it to every ordinary pod; no pod asked for it. */
const TOKEN_VOLUME = /^kube-api-access-[a-z0-9]{5}$/;

export function isTokenVolume(name: string): boolean {
  return TOKEN_VOLUME.test(name);
}

export function unsupportedFields({ spec }: Pod, capabilities: Capabilities): readonly Unsupported[] {
  if (spec === undefined) return [{ path: 'spec', reason: 'missing' }];
  const found: Unsupported[] = [];
  if ((spec.resourceClaims?.length ?? 0) > 0) {
    found.push({ path: 'spec.resourceClaims', reason: 'not part of the protocol' });
  }
  if ((spec.ephemeralContainers?.length ?? 0) > 0 && !capabilities.update.includes('ephemeralContainers')) {
    found.push({ path: 'spec.ephemeralContainers', reason: 'this backend adds no containers to a pod' });
  }
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      for (const field of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[field] !== undefined && !capabilities.probes) {
          found.push({ path: `spec.${list}[${i}].${field}`, reason: 'this backend runs no probes' });
        }
      }
      if (container.lifecycle !== undefined && !capabilities.lifecycleHooks) {
        found.push({ path: `spec.${list}[${i}].lifecycle`, reason: 'this backend runs no hooks' });
      }
    }
  }
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    const kind = Object.entries(volume).find(([key, value]) => key !== 'name' && value !== undefined)?.[0];
    if (kind === undefined || capabilities.volumes.includes(kind)) continue;
    if (kind === 'projected' && isTokenVolume(volume.name)) continue;
    found.push({ path: `spec.volumes[${i}].${kind}`, reason: 'this backend has no such volumes' });
  }
  return found;
}
