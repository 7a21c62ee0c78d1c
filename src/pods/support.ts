/**
 * What of a pod cannot be honoured: what the zone's policy forbids, what Zonelet itself does not carry to a backend yet, and what the
 * provider refuses. Asked before any side effect; nothing is silently ignored.
 */
import type { Container, Pod } from '../kube/types.ts';
import type { Capabilities, Unsupported } from '../provider/contract.ts';
import { forbiddenOfHost, type HostPolicy, NOTHING_OF_THE_HOST } from './host-policy.ts';
import { isFileField, isPodIPField, isVariableField } from './resolve/field-reference.ts';
import { isResourceField } from './resolve/resource-field.ts';
import { isServiceAccountVolume, type Volume } from './resolve/volumes.ts';

type Validator = Pick<
  { readonly capabilities: Capabilities; validate(pod: Pod): readonly Unsupported[] },
  'capabilities' | 'validate'
>;

/** Reason of the waiting containers and of the Event. The pod stays Pending: Failed would make a ReplicaSet replace it without end. */
export const UNSUPPORTED = 'UnsupportedPodSpec';

const NOT_YET = 'not supported yet';
const OFFERED = 'not offered by this backend';
/** What a volume is called whose content outlives the pod. */
const PERSISTENT = new Set(['persistentVolumeClaim', 'ephemeral', 'csi']);

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
    yield { path: 'spec.initContainers', reason: OFFERED };
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
    const path = `spec.volumes[${i}]`;
    const kind = Object.keys(volume).find((key) => key !== 'name' && volume[key as keyof typeof volume] !== undefined);
    if (kind === undefined) continue;
    if (capabilities.volumes.includes(kind)) yield* unsupportedContent(path, volume);
    // A pod did not ask for this one and is not refused for it.
    else if (!isServiceAccountVolume(volume)) {
      const reason = PERSISTENT.has(kind) ? `persistent volumes are ${OFFERED}` : OFFERED;
      yield { path: `${path}.${kind}`, reason };
    }
  }
}

/** Of the kinds whose content comes from Zonelet. */
function* unsupportedContent(path: string, volume: Volume): Generator<Unsupported> {
  const { projected, downwardAPI } = volume;
  yield* unsupportedFiles(`${path}.downwardAPI`, downwardAPI?.items);
  for (const [i, source] of (projected?.sources ?? []).entries()) {
    const at = `${path}.projected.sources[${i}]`;
    yield* unsupportedFiles(`${at}.downwardAPI`, source.downwardAPI?.items);
    for (const kind of ['clusterTrustBundle', 'podCertificate'] as const) {
      if (source[kind] !== undefined) yield { path: `${at}.${kind}`, reason: NOT_YET };
    }
  }
}

function* unsupportedFiles(path: string, items: NonNullable<Volume['downwardAPI']>['items']): Generator<Unsupported> {
  for (const [i, { fieldRef, resourceFieldRef }] of (items ?? []).entries()) {
    if (fieldRef !== undefined && !isFileField(fieldRef.fieldPath)) {
      yield { path: `${path}.items[${i}].fieldRef.fieldPath`, reason: `no file can have ${fieldRef.fieldPath}` };
    }
    if (resourceFieldRef !== undefined && !isResourceField(resourceFieldRef.resource)) {
      const reason = `${resourceFieldRef.resource} is no resource of a container`;
      yield { path: `${path}.items[${i}].resourceFieldRef.resource`, reason };
    }
  }
}

function* unsupportedInContainer(
  path: string,
  container: Container,
  capabilities: Capabilities,
  regular: boolean,
): Generator<Unsupported> {
  if (!capabilities.probes) {
    for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[probe] !== undefined) yield { path: `${path}.${probe}`, reason: OFFERED };
    }
  }
  if (container.lifecycle !== undefined && !capabilities.lifecycleHooks) {
    yield { path: `${path}.lifecycle`, reason: OFFERED };
  }
  if (regular && container.restartPolicy !== undefined) yield { path: `${path}.restartPolicy`, reason: NOT_YET };
  if ((container.restartPolicyRules?.length ?? 0) > 0) yield { path: `${path}.restartPolicyRules`, reason: NOT_YET };
  for (const [i, { valueFrom }] of (container.env ?? []).entries()) {
    if (valueFrom === undefined) continue;
    const at = `${path}.env[${i}].valueFrom`;
    const resource = valueFrom.resourceFieldRef?.resource;
    if (resource !== undefined && !isResourceField(resource)) {
      yield { path: `${at}.resourceFieldRef.resource`, reason: `${resource} is no resource of a container` };
    }
    if (valueFrom.fileKeyRef !== undefined) yield { path: `${at}.fileKeyRef`, reason: NOT_YET };
    const field = valueFrom.fieldRef?.fieldPath;
    if (field === undefined) continue;
    if (!isVariableField(field)) {
      yield { path: `${at}.fieldRef.fieldPath`, reason: `no variable can have ${field}` };
    } else if (isPodIPField(field) && capabilities.podIPsInEnvironment !== true) {
      const reason = `${field} is not known before this backend has made the pod`;
      yield { path: `${at}.fieldRef.fieldPath`, reason };
    }
  }
}
