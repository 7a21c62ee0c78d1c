/** The container that holds a pod's namespaces: while it runs, the pod's containers may start. Pure. */
import type { Pod } from '../../src/kube/types.ts';
import type { Operation, ResolvedPod } from '../../src/provider/contract.ts';
import type { ContainerRequest, HostConfig } from './api.ts';
import { filesVolume, LABEL, podLabels, writerLabels } from './names.ts';
import type { DockerOptions } from './options.ts';
import { FILES, memoryFolders } from './pod-files.ts';

/** Ends when it is told to, and is the parent of processes without one where the pod shares its process namespace. */
const WAIT = 'trap "exit 0" TERM INT; while :; do sleep 86400 & wait $!; done';

export function sandboxRequest(
  resolved: ResolvedPod,
  prefix: string,
  image: string,
  operation: Operation,
  options: DockerOptions,
): ContainerRequest {
  const { pod, ref } = resolved;
  const { spec } = pod;
  const host = spec?.hostNetwork === true;
  const domain = spec?.subdomain === undefined ? '' : `${spec.subdomain}.${ref.namespace}.svc.${options.clusterDomain}`;
  const ports = host ? {} : hostPorts(pod);
  const files = {
    Type: 'volume',
    Source: filesVolume(prefix),
    Target: FILES,
    VolumeOptions: { NoCopy: true },
  } as const;
  const memory = memoryFolders(pod, prefix).map(
    // Held here, what is in memory outlives a container's restart.
    ({ volume, engineVolume }) =>
      ({ Type: 'volume', Source: engineVolume, Target: `/memory/${volume}`, VolumeOptions: { NoCopy: true } }) as const,
  );
  return {
    Image: image,
    Labels: {
      ...podLabels(operation.owner, operation.zone, ref),
      ...writerLabels(operation, resolved),
      [LABEL.role]: 'sandbox',
    },
    ...(host ? {} : { Hostname: (spec?.hostname ?? ref.name).slice(0, 63).replace(/[-.]+$/, '') }),
    ...(host || domain === '' ? {} : { Domainname: domain }),
    User: '0:0',
    Entrypoint: ['/bin/sh', '-c', WAIT],
    Cmd: [],
    Healthcheck: { Test: ['NONE'] },
    ...(Object.keys(ports).length === 0
      ? {}
      : { ExposedPorts: Object.fromEntries(Object.keys(ports).map((port) => [port, {}])) }),
    HostConfig: {
      NetworkMode: host ? 'host' : options.network,
      IpcMode: 'shareable',
      RestartPolicy: { Name: 'no' },
      Mounts: [files, ...memory],
      CpuShares: 2,
      LogConfig: { Type: 'json-file' },
      ReadonlyRootfs: true,
      SecurityOpt: ['no-new-privileges:true'],
      ...(spec?.securityContext?.sysctls === undefined
        ? {}
        : { Sysctls: Object.fromEntries(spec.securityContext.sysctls.map(({ name, value }) => [name, value])) }),
      ...dns(pod, ref.namespace, options),
      ...(spec?.hostAliases === undefined
        ? {}
        : {
            ExtraHosts: spec.hostAliases.flatMap(({ ip, hostnames = [] }) => hostnames.map((name) => `${name}:${ip}`)),
          }),
      ...(Object.keys(ports).length === 0 ? {} : { PortBindings: ports }),
    },
  };
}

/** As a kubelet fills `/etc/resolv.conf`: a policy that asks for the cluster's servers falls back to the machine's where none is known. */
function dns(pod: Pod, namespace: string, { clusterDNS, clusterDomain }: DockerOptions): Partial<HostConfig> {
  const { dnsPolicy = 'ClusterFirst', dnsConfig = {}, hostNetwork } = pod.spec ?? {};
  const cluster =
    clusterDNS.length > 0 &&
    (dnsPolicy === 'ClusterFirstWithHostNet' || (dnsPolicy === 'ClusterFirst' && hostNetwork !== true));
  const searches = cluster ? [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain] : [];
  const servers = [...(cluster ? clusterDNS : []), ...(dnsConfig.nameservers ?? [])];
  const search = [...searches, ...(dnsConfig.searches ?? [])];
  const given = (dnsConfig.options ?? []).map(({ name = '', value }) =>
    value === undefined ? name : `${name}:${value}`,
  );
  const chosen = [...(cluster && !given.some((option) => option.startsWith('ndots:')) ? ['ndots:5'] : []), ...given];
  return {
    ...(servers.length === 0 ? {} : { Dns: [...new Set(servers)] }),
    // A dot keeps the engine from adding the machine's own.
    ...(search.length > 0 ? { DnsSearch: [...new Set(search)] } : dnsPolicy === 'None' ? { DnsSearch: ['.'] } : {}),
    ...(chosen.length === 0 ? {} : { DnsOptions: chosen }),
  };
}

function hostPorts(pod: Pod): NonNullable<HostConfig['PortBindings']> {
  const found: Record<string, { HostIp?: string; HostPort: string }[]> = {};
  for (const { ports = [] } of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
    for (const { containerPort, hostPort = 0, hostIP, protocol = 'TCP' } of ports) {
      if (hostPort === 0) continue;
      const key = `${containerPort}/${protocol.toLowerCase()}`;
      const binding = { HostPort: String(hostPort), ...(hostIP === undefined ? {} : { HostIp: hostIP }) };
      found[key] = [...(found[key] ?? []), binding];
    }
  }
  return found;
}
