/** From a pod's container to what the engine is asked to make. Pure. */
import type { Container, Pod } from '../../src/kube/types.ts';
import type { ResolvedPod } from '../../src/provider/contract.ts';
import { quantityMilliValue, quantityValue } from '../../src/quantity.ts';
import type { ContainerRequest, HostConfig } from './api.ts';
import { LABEL, podLabels, type Role } from './names.ts';
import { CONTENT_ROOT, EMPTY_ROOT, memoryFolders, terminationPath } from './pod-files.ts';

export interface Run {
  readonly owner: string;
  readonly zone: string;
  readonly prefix: string;
  /** ID of the pod's sandbox. */
  readonly sandbox: string;
  /** Where the pod's volume of files is on the engine's machine. */
  readonly filesFolder: string;
  readonly attempt: number;
  readonly backOffMs: number;
}

/** 2 is the least that Linux knows. */
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

export function roleOf(pod: Pod, name: string): Role {
  const init = pod.spec?.initContainers?.find((container) => container.name === name);
  if (init === undefined) return 'container';
  return init.restartPolicy === 'Always' ? 'sidecar' : 'init';
}

export function containerRequest(resolved: ResolvedPod, container: Container, run: Run): ContainerRequest {
  const { pod, ref, env } = resolved;
  const { name, image = '' } = container;
  const user = userOf(pod, container);
  return {
    Image: image,
    Labels: {
      ...podLabels(run.owner, run.zone, ref),
      [LABEL.role]: roleOf(pod, name),
      [LABEL.container]: name,
      [LABEL.attempt]: String(run.attempt),
      [LABEL.backOff]: String(run.backOffMs),
      [LABEL.image]: image,
      [LABEL.terminationMessage]: container.terminationMessagePolicy ?? 'File',
    },
    ...(user === undefined ? {} : { User: user }),
    // As in a kubelet, arguments alone keep the image's entry point, and a command drops the image's arguments.
    ...(container.command === undefined || container.command.length === 0
      ? {}
      : { Entrypoint: container.command, Cmd: [] }),
    ...(container.args === undefined || container.args.length === 0 ? {} : { Cmd: container.args }),
    Env: (env[name] ?? []).map((variable) => `${variable.name}=${variable.value}`),
    ...(container.workingDir === undefined ? {} : { WorkingDir: container.workingDir }),
    Tty: container.tty === true,
    OpenStdin: container.stdin === true,
    StdinOnce: container.stdinOnce === true,
    // Probes are Kubernetes' business, not the image's.
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      NetworkMode: pod.spec?.hostNetwork === true ? 'host' : `container:${run.sandbox}`,
      // With the network of the machine this alone keeps a container from starting after its pod has ended.
      IpcMode: `container:${run.sandbox}`,
      ...(pod.spec?.hostPID === true ? { PidMode: 'host' } : {}),
      ...(pod.spec?.shareProcessNamespace === true ? { PidMode: `container:${run.sandbox}` } : {}),
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file' },
      Mounts: mounts(pod, container, run),
      ...resources(container),
      ...security(pod, container),
    },
  };
}

function resources({ resources: given = {} }: Container): Partial<HostConfig> {
  const { limits = {}, requests = {} } = given;
  const request = requests.cpu ?? limits.cpu;
  const shares = request === undefined ? MIN_SHARES : Math.floor((quantityMilliValue(request) * 1024) / 1000);
  const memory = limits.memory === undefined ? 0 : quantityValue(limits.memory);
  const reserved = requests.memory === undefined ? 0 : quantityValue(requests.memory);
  return {
    CpuShares: Math.min(MAX_SHARES, Math.max(MIN_SHARES, shares)),
    ...(limits.cpu === undefined ? {} : { NanoCpus: quantityMilliValue(limits.cpu) * 1_000_000 }),
    // No swap beyond the limit, as on a node.
    ...(memory > 0 ? { Memory: memory, MemorySwap: memory } : {}),
    ...(reserved > 0 && (memory === 0 || reserved <= memory) ? { MemoryReservation: reserved } : {}),
  };
}

function security(pod: Pod, container: Container): Partial<HostConfig> {
  const ofPod = pod.spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  const groups = [...(ofPod.supplementalGroups ?? []), ...(ofPod.fsGroup === undefined ? [] : [ofPod.fsGroup])];
  const options = [
    ...(own.allowPrivilegeEscalation === false ? ['no-new-privileges:true'] : []),
    ...((own.seccompProfile ?? ofPod.seccompProfile)?.type === 'Unconfined' ? ['seccomp=unconfined'] : []),
    ...((own.appArmorProfile ?? ofPod.appArmorProfile)?.type === 'Unconfined' ? ['apparmor=unconfined'] : []),
  ];
  return {
    ...(own.privileged === true ? { Privileged: true } : {}),
    ...(own.readOnlyRootFilesystem === true ? { ReadonlyRootfs: true } : {}),
    ...(own.capabilities?.add === undefined ? {} : { CapAdd: own.capabilities.add }),
    ...(own.capabilities?.drop === undefined ? {} : { CapDrop: own.capabilities.drop }),
    ...(groups.length === 0 ? {} : { GroupAdd: groups.map(String) }),
    ...(options.length === 0 ? {} : { SecurityOpt: options }),
  };
}

export function userOf(pod: Pod, { securityContext: own }: Container): string | undefined {
  const user = own?.runAsUser ?? pod.spec?.securityContext?.runAsUser;
  const group = own?.runAsGroup ?? pod.spec?.securityContext?.runAsGroup;
  if (user === undefined) return group === undefined ? undefined : `0:${group}`;
  return group === undefined ? String(user) : `${user}:${group}`;
}

function mounts(
  pod: Pod,
  container: Container,
  { filesFolder, attempt, prefix }: Run,
): NonNullable<HostConfig['Mounts']> {
  const memory = memoryFolders(pod, prefix);
  const volumes = new Map((pod.spec?.volumes ?? []).map((volume) => [volume.name, volume]));
  const found: NonNullable<HostConfig['Mounts']>[number][] = [];
  for (const { name, mountPath, readOnly = false, subPath = '' } of container.volumeMounts ?? []) {
    const volume = volumes.get(name);
    if (volume === undefined) continue;
    const target = { Target: mountPath };
    const inMemory = memory.find((folder) => folder.volume === name);
    if (inMemory !== undefined) {
      const VolumeOptions = { NoCopy: true };
      found.push({ Type: 'volume', Source: inMemory.engineVolume, ...target, ReadOnly: readOnly, VolumeOptions });
    } else if (volume.hostPath !== undefined) {
      found.push({ Type: 'bind', Source: volume.hostPath.path, ...target, ReadOnly: readOnly });
    } else if (volume.emptyDir !== undefined) {
      found.push({ Type: 'bind', Source: `${filesFolder}/${EMPTY_ROOT}/${name}`, ...target, ReadOnly: readOnly });
    } else {
      const within = subPath === '' ? '' : `/${subPath}`;
      found.push({
        Type: 'bind',
        Source: `${filesFolder}/${CONTENT_ROOT}/${name}${within}`,
        ...target,
        ReadOnly: true,
      });
    }
  }
  const message = container.terminationMessagePath ?? '/dev/termination-log';
  found.push({
    Type: 'bind',
    Source: `${filesFolder}/${terminationPath(container.name, attempt)}`,
    Target: message,
    ReadOnly: false,
  });
  return found;
}
