/** What of a pod cannot be honoured by plain processes of this machine. */
import type { Container, Pod } from '../../../../src/kube/types.ts';
import { unsupportedInLife } from '../../../../src/lifecycle/support.ts';
import type { Unsupported } from '../../../../src/provider/contract.ts';
import { isTokenVolume } from '../../support.ts';

const OWN_USER = "processes run as the backend's own user";

/** `noMounts`: why this machine can mount nothing for a process; undefined when it can. */
export function unsupportedByProcesses({ spec }: Pod, noMounts: string | undefined): readonly Unsupported[] {
  const found: Unsupported[] = [];
  found.push(...unsupportedInLife(spec));
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const [i, container] of (spec?.[list] ?? []).entries()) {
      for (const { path, reason } of inContainer(container, noMounts)) {
        found.push({ path: `spec.${list}[${i}].${path}`, reason });
      }
    }
  }
  for (const [i, { emptyDir }] of (spec?.volumes ?? []).entries()) {
    if (emptyDir?.medium !== undefined && emptyDir.medium !== '') {
      found.push({ path: `spec.volumes[${i}].emptyDir.medium`, reason: "it is a folder on the backend's disk" });
    }
  }
  for (const field of ['runAsUser', 'runAsGroup'] as const) {
    if (spec?.securityContext?.[field] !== undefined) {
      found.push({ path: `spec.securityContext.${field}`, reason: OWN_USER });
    }
  }
  if ((spec?.hostAliases?.length ?? 0) > 0) {
    found.push({ path: 'spec.hostAliases', reason: "processes have the machine's own /etc/hosts" });
  }
  return found;
}

function* inContainer(container: Container, noMounts: string | undefined): Generator<Unsupported> {
  if ((container.command?.length ?? 0) === 0) {
    yield { path: 'command', reason: 'missing: a process has no image that it could come from' };
  }
  yield* inMounts(container, noMounts);
  for (const i of container.volumeDevices?.keys() ?? []) {
    yield { path: `volumeDevices[${i}]`, reason: 'nothing can be mounted for a process' };
  }
  if (container.tty === true) yield { path: 'tty', reason: 'processes have no terminal' };
  if (container.stdin === true) yield { path: 'stdin', reason: 'processes have no input' };
  for (const field of ['runAsUser', 'runAsGroup'] as const) {
    if (container.securityContext?.[field] !== undefined) yield { path: `securityContext.${field}`, reason: OWN_USER };
  }
  if (container.securityContext?.privileged === true) yield { path: 'securityContext.privileged', reason: OWN_USER };
}

function* inMounts({ volumeMounts = [] }: Container, noMounts: string | undefined): Generator<Unsupported> {
  const targets = volumeMounts.map(({ mountPath }) => partsOf(mountPath));
  for (const [i, mount] of volumeMounts.entries()) {
    const path = `volumeMounts[${i}]`;
    if (noMounts !== undefined) {
      // No pod asked for it, and it can live without.
      if (!isTokenVolume(mount.name)) yield { path, reason: `nothing can be mounted for a process: ${noMounts}` };
      continue;
    }
    const target = targets[i] ?? [];
    if (!mount.mountPath.startsWith('/') || target.length === 0 || target.includes('..')) {
      yield { path: `${path}.mountPath`, reason: 'must be absolute, not the root, and have no ".."' };
    }
    const around = targets.findIndex((other, j) => j !== i && other.every((part, at) => part === target[at]));
    if (around >= 0) yield { path: `${path}.mountPath`, reason: `lies within that of volumeMounts[${around}]` };
    if (mount.subPath !== undefined && (mount.subPath.startsWith('/') || mount.subPath.split('/').includes('..'))) {
      yield { path: `${path}.subPath`, reason: 'must be relative and have no ".."' };
    }
    if (mount.subPathExpr !== undefined && mount.subPathExpr !== '') {
      yield { path: `${path}.subPathExpr`, reason: 'variables in a sub-path are not expanded' };
    }
    if (mount.mountPropagation !== undefined && mount.mountPropagation !== 'None') {
      yield { path: `${path}.mountPropagation`, reason: 'mounts of a process are its own' };
    }
  }
}

function partsOf(path: string): readonly string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
