/** What a simulated pod may have: nothing runs in it, so whatever would have to be carried out is refused. */
import type { Pod } from '../../src/kube/types.ts';
import type { Unsupported } from '../../src/provider/contract.ts';

/** Kinds whose content nobody but the pod's own processes would ever see. */
export const VOLUMES: readonly string[] = ['emptyDir', 'configMap', 'secret', 'downwardAPI', 'projected'];

const NO_PROCESS = 'simulated containers have no process';

export function unsupportedFields(pod: Pod): readonly Unsupported[] {
  const found: Unsupported[] = [];
  const { spec } = pod;
  if (spec === undefined) return [{ path: 'spec', reason: 'missing' }];
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC'] as const) {
    if (spec[field] === true) found.push({ path: `spec.${field}`, reason: 'there is no host' });
  }
  for (const field of ['ephemeralContainers', 'resourceClaims'] as const) {
    if ((spec[field]?.length ?? 0) > 0) found.push({ path: `spec.${field}`, reason: 'not simulated' });
  }
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      for (const field of ['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle'] as const) {
        if (container[field] !== undefined)
          found.push({
            path: `spec.${list}[${i}].${field}`,
            reason: NO_PROCESS,
          });
      }
    }
  }
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    const kind = Object.entries(volume).find(([key, value]) => key !== 'name' && value !== undefined)?.[0];
    if (kind !== undefined && !VOLUMES.includes(kind)) {
      found.push({
        path: `spec.volumes[${i}].${kind}`,
        reason: 'there is nothing to mount',
      });
    }
  }
  return found;
}
