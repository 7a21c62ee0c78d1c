/** What of a pod cannot be honoured by plain processes of this machine. */
import type { Container, Pod } from '../../../../src/kube/types.ts';
import type { Unsupported } from '../../../../src/provider/contract.ts';
import { isTokenVolume } from '../../support.ts';

const OWN_USER = "processes run as the backend's own user";

export function unsupportedByProcesses({ spec }: Pod): readonly Unsupported[] {
  const found: Unsupported[] = [];
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec?.[list] ?? []).entries()) {
      for (const { path, reason } of inContainer(container)) found.push({ path: `spec.${list}[${i}].${path}`, reason });
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

function* inContainer(container: Container): Generator<Unsupported> {
  if ((container.command?.length ?? 0) === 0) {
    yield { path: 'command', reason: 'missing: a process has no image that it could come from' };
  }
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    if (!isTokenVolume(mount.name))
      yield { path: `volumeMounts[${i}]`, reason: 'nothing can be mounted for a process' };
  }
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
