/**
 * What of a pod cannot be honoured: what the zone's policy forbids, what Zonelet itself does not carry to a backend yet, and what the
 * provider refuses. Asked before any side effect; nothing is silently ignored.
 */
import type { Container, Pod } from '../kube/types.ts';
import type { Capabilities, Unsupported } from '../provider/contract.ts';
import { isKnownField } from './field-reference.ts';
import { forbiddenOfHost, type HostPolicy, NOTHING_OF_THE_HOST } from './host-policy.ts';

type Validator = Pick<
  { readonly capabilities: Capabilities; validate(pod: Pod): readonly Unsupported[] },
  'capabilities' | 'validate'
>;

/** Reason of the waiting containers and of the Event. The pod stays Pending: Failed would make a ReplicaSet replace it without end. */
export const UNSUPPORTED = 'UnsupportedPodSpec';

/** Volumes whose content would come from Zonelet. A backend that mounts nothing real may still take them. */
const DELIVERED = new Set(['configMap', 'secret', 'downwardAPI', 'projected']);

const NOT_YET = 'not supported yet';

/** Every field that cannot be honoured, each once. */
export function unsupportedFields(
  pod: Pod,
  provider: Validator,
  hostPolicy: HostPolicy = NOTHING_OF_THE_HOST,
): readonly Unsupported[] {
  const found = new Map<string, Unsupported>();
  const all = [
    ...forbiddenOfHost(pod, hostPolicy),
    ...ownUnsupported(pod, provider.capabilities),
    ...provider.validate(pod),
  ];
  for (const problem of all) if (!found.has(problem.path)) found.set(problem.path, problem);
  return [...found.values()];
}

/** `spec.volumes[0].hostPath: not offered by this backend; ...` */
export function describeUnsupported(problems: readonly Unsupported[]): string {
  return problems.map(({ path, reason }) => `${path}: ${reason}`).join('; ');
}

function* ownUnsupported(pod: Pod, capabilities: Capabilities): Generator<Unsupported> {
  const { spec } = pod;
  if (spec === undefined) return;
  if ((spec.resourceClaims?.length ?? 0) > 0) yield { path: 'spec.resourceClaims', reason: NOT_YET };
  if ((spec.ephemeralContainers?.length ?? 0) > 0 && !capabilities.update.includes('ephemeralContainers')) {
    yield { path: 'spec.ephemeralContainers', reason: 'not offered by this backend' };
  }
  if (capabilities.restarts === 'none' && spec.restartPolicy !== 'Never') {
    yield { path: 'spec.restartPolicy', reason: 'this backend does not restart containers; only Never is possible' };
  }
  if ((spec.initContainers?.length ?? 0) > 0 && !capabilities.initContainers) {
    yield { path: 'spec.initContainers', reason: 'not offered by this backend' };
  }
  yield* unsupportedVolumes(pod, capabilities);
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      yield* unsupportedInContainer(`spec.${list}[${i}]`, container, capabilities, list === 'containers');
    }
  }
}

function* unsupportedVolumes(pod: Pod, capabilities: Capabilities): Generator<Unsupported> {
  for (const [i, volume] of (pod.spec?.volumes ?? []).entries()) {
    if (isServiceAccountVolume(volume)) continue;
    const kind = Object.keys(volume).find((key) => key !== 'name' && volume[key as keyof typeof volume] !== undefined);
    if (kind === undefined) continue;
    const path = `spec.volumes[${i}].${kind}`;
    if (capabilities.volumes.includes(kind)) continue;
    yield { path, reason: DELIVERED.has(kind) ? NOT_YET : 'not offered by this backend' };
  }
}

/** The volume that ServiceAccount admission adds to every ordinary pod. A pod did not ask for it and is not refused for it. */
function isServiceAccountVolume(volume: { readonly name: string; readonly projected?: unknown }): boolean {
  return volume.projected !== undefined && volume.name.startsWith('kube-api-access-');
}

function* unsupportedInContainer(
  path: string,
  container: Container,
  capabilities: Capabilities,
  regular: boolean,
): Generator<Unsupported> {
  const offered = 'not offered by this backend';
  if (!capabilities.probes) {
    for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[probe] !== undefined) yield { path: `${path}.${probe}`, reason: offered };
    }
  }
  if (container.lifecycle !== undefined && !capabilities.lifecycleHooks) {
    yield { path: `${path}.lifecycle`, reason: offered };
  }
  if (regular && container.restartPolicy !== undefined) yield { path: `${path}.restartPolicy`, reason: NOT_YET };
  if ((container.restartPolicyRules?.length ?? 0) > 0) yield { path: `${path}.restartPolicyRules`, reason: NOT_YET };
  for (const [i, { valueFrom }] of (container.env ?? []).entries()) {
    if (valueFrom === undefined) continue;
    const at = `${path}.env[${i}].valueFrom`;
    if (valueFrom.resourceFieldRef !== undefined) yield { path: `${at}.resourceFieldRef`, reason: NOT_YET };
    if (valueFrom.fileKeyRef !== undefined) yield { path: `${at}.fileKeyRef`, reason: NOT_YET };
    const field = valueFrom.fieldRef?.fieldPath;
    if (field !== undefined && !isKnownField(field)) {
      yield { path: `${at}.fieldRef.fieldPath`, reason: `${field} is ${NOT_YET}` };
    }
  }
}
