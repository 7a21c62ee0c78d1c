/**
 * What every backend of the protocol has to honour, and what is refused here before anything is sent. A backend may
 * refuse more: it then answers 422 and names the fields.
 */
import type { Pod } from '../../src/kube/types.ts';
import type { Capabilities, Unsupported } from '../../src/provider/contract.ts';

export const CAPABILITIES: Capabilities = {
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
  // Needs nothing but the backend itself. The content of others is not part of the protocol.
  volumes: ['emptyDir'],
  update: ['containers[*].image', 'initContainers[*].image'],
};

/** ServiceAccount admission adds it to every ordinary pod; no pod asked for it. */
const TOKEN_VOLUME = /^kube-api-access-[a-z0-9]{5}$/;

export function isTokenVolume(name: string): boolean {
  return TOKEN_VOLUME.test(name);
}

export function unsupportedFields({ spec }: Pod): readonly Unsupported[] {
  if (spec === undefined) return [{ path: 'spec', reason: 'missing' }];
  const found: Unsupported[] = [];
  for (const field of ['ephemeralContainers', 'resourceClaims'] as const) {
    if ((spec[field]?.length ?? 0) > 0) {
      found.push({ path: `spec.${field}`, reason: 'not part of the protocol' });
    }
  }
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      for (const field of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
        if (container[field] !== undefined) {
          found.push({ path: `spec.${list}[${i}].${field}`, reason: 'the protocol has no probes' });
        }
      }
      if (container.lifecycle !== undefined) {
        found.push({ path: `spec.${list}[${i}].lifecycle`, reason: 'the protocol has no hooks' });
      }
    }
  }
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    const kind = Object.entries(volume).find(([key, value]) => key !== 'name' && value !== undefined)?.[0];
    if (kind === undefined || CAPABILITIES.volumes.includes(kind)) continue;
    if (kind === 'projected' && isTokenVolume(volume.name)) continue;
    found.push({ path: `spec.volumes[${i}].${kind}`, reason: 'the protocol carries no content of volumes' });
  }
  return found;
}
