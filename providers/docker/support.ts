/** What of a pod an engine can honour, and what is refused before anything is done. Nothing is left out in silence. */
import type { Container, Pod } from '../../src/kube/types.ts';
import type { Capabilities, Unsupported } from '../../src/provider/contract.ts';
import type { DockerOptions } from './options.ts';
import { unsupportedSecurity } from './security-support.ts';

/** Kinds whose content Kubernetes gives: files that only we write. */
const CONTENT_VOLUMES: readonly string[] = ['configMap', 'secret', 'projected', 'downwardAPI'];

export const CAPABILITIES: Capabilities = {
  // The engine compares nothing. README.md says what keeps a second copy from being made all the same.
  fence: 'none',
  restarts: 'backend',
  logs: true,
  exec: true,
  attach: true,
  portForward: true,
  stats: true,
  initContainers: true,
  probes: false,
  lifecycleHooks: false,
  volumes: [...CONTENT_VOLUMES, 'emptyDir', 'hostPath'],
  update: ['containers[*].image', 'initContainers[*].image'],
  podIPsInEnvironment: true,
};

/** Those of Kubernetes that a pod may set for itself without harm to others. */
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
]);

export function unsupportedFields(pod: Pod, options: DockerOptions): readonly Unsupported[] {
  return [...inPod(pod, options)];
}

function* inPod({ spec }: Pod, options: DockerOptions): Generator<Unsupported> {
  if (spec === undefined) {
    yield { path: 'spec', reason: 'missing' };
    return;
  }
  const { allow } = options;
  if (spec.hostIPC === true) {
    yield {
      path: 'spec.hostIPC',
      reason: 'containers share the IPC of their sandbox, which keeps them from outliving it',
    };
  }
  if (spec.hostUsers === false) yield { path: 'spec.hostUsers', reason: 'an engine has one user namespace for all' };
  if (spec.setHostnameAsFQDN === true) yield { path: 'spec.setHostnameAsFQDN', reason: 'not offered by this backend' };
  if (spec.runtimeClassName !== undefined) {
    yield { path: 'spec.runtimeClassName', reason: 'runtimes of the engine are not chosen by pods' };
  }
  if (spec.resources !== undefined) yield { path: 'spec.resources', reason: 'an engine has no limits for a whole pod' };
  for (const field of ['ephemeralContainers', 'resourceClaims'] as const) {
    if ((spec[field]?.length ?? 0) > 0) yield { path: `spec.${field}`, reason: 'not offered by this backend' };
  }
  for (const [i, { name }] of (spec.securityContext?.sysctls ?? []).entries()) {
    if (!SAFE_SYSCTLS.has(name)) yield { path: `spec.securityContext.sysctls[${i}]`, reason: `${name} is not safe` };
    else if (spec.hostNetwork === true && name.startsWith('net.')) {
      yield { path: `spec.securityContext.sysctls[${i}]`, reason: 'is of the machine with hostNetwork' };
    }
  }
  yield* unsupportedSecurity('spec.securityContext', spec.securityContext ?? {}, allow);
  yield* inVolumes(spec);
  const kinds = new Map((spec.volumes ?? []).map((volume) => [volume.name, kindOf(volume)]));
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      yield* inContainer(`spec.${list}[${i}]`, container, kinds, options);
    }
  }
}

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];

export function kindOf(volume: Volume): string | undefined {
  return Object.entries(volume).find(([key, value]) => key !== 'name' && value !== undefined)?.[0];
}

function* inVolumes({ volumes = [] }: NonNullable<Pod['spec']>): Generator<Unsupported> {
  for (const [i, volume] of volumes.entries()) {
    const kind = kindOf(volume);
    const path = `spec.volumes[${i}].${kind}`;
    if (kind === undefined || CONTENT_VOLUMES.includes(kind)) continue;
    if (kind === 'emptyDir') {
      const { medium = '', sizeLimit } = volume.emptyDir ?? {};
      if (medium !== '' && medium !== 'Memory') yield { path: `${path}.medium`, reason: `${medium} is not offered` };
      if (medium === '' && sizeLimit !== undefined) {
        yield { path: `${path}.sizeLimit`, reason: 'an engine limits only what is of medium Memory' };
      }
    } else if (kind === 'hostPath') {
      const type = volume.hostPath?.type ?? '';
      if (type !== '' && type !== 'Directory' && type !== 'File') {
        yield { path: `${path}.type`, reason: `${type} cannot be checked or made through the engine` };
      }
    } else yield { path, reason: 'not offered by this backend' };
  }
}

function* inContainer(
  path: string,
  container: Container,
  kinds: ReadonlyMap<string, string | undefined>,
  { allow }: DockerOptions,
): Generator<Unsupported> {
  for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[probe] !== undefined) yield { path: `${path}.${probe}`, reason: 'an engine has no such probes' };
  }
  if (container.lifecycle !== undefined) yield { path: `${path}.lifecycle`, reason: 'an engine has no hooks' };
  if ((container.volumeDevices?.length ?? 0) > 0) {
    yield { path: `${path}.volumeDevices`, reason: 'not offered by this backend' };
  }
  if ((container.restartPolicyRules?.length ?? 0) > 0) {
    yield { path: `${path}.restartPolicyRules`, reason: 'not offered by this backend' };
  }
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${i}]`;
    const kind = kinds.get(mount.name);
    const sub = mount.subPath !== undefined && mount.subPath !== '' ? 'subPath' : undefined;
    const expr = mount.subPathExpr !== undefined && mount.subPathExpr !== '' ? 'subPathExpr' : undefined;
    if ((sub ?? expr) !== undefined && !CONTENT_VOLUMES.includes(kind ?? '')) {
      // A pod could put a link there that leads out of its volume, onto the machine.
      yield { path: `${at}.${sub ?? expr}`, reason: `only of ${CONTENT_VOLUMES.join(', ')} volumes` };
    } else if (expr !== undefined) yield { path: `${at}.${expr}`, reason: 'not offered by this backend' };
    else if (sub !== undefined && mount.subPath?.split('/').includes('..')) {
      yield { path: `${at}.subPath`, reason: 'must not lead out of the volume' };
    }
    if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None') {
      yield { path: `${at}.mountPropagation`, reason: `${mount.mountPropagation} is not offered by this backend` };
    }
    if (mount.recursiveReadOnly === 'Enabled') {
      yield { path: `${at}.recursiveReadOnly`, reason: 'not offered by this backend' };
    }
  }
  for (const kind of ['limits', 'requests'] as const) {
    for (const name of Object.keys(container.resources?.[kind] ?? {})) {
      if (name === 'cpu' || name === 'memory' || (name === 'ephemeral-storage' && kind === 'requests')) continue;
      yield { path: `${path}.resources.${kind}['${name}']`, reason: 'not offered by this backend' };
    }
  }
  yield* unsupportedSecurity(`${path}.securityContext`, container.securityContext ?? {}, allow);
}
