/** The options of `provider: { kind: docker }` in the configuration. */
import { z } from 'zod';
import type { ProviderModule } from '../../src/provider/contract.ts';

export interface EngineOptions {
  /** Of one engine among several, for people and for what is kept about it. */
  readonly name: string;
  /** `unix:///var/run/docker.sock` or `tcp://host:2376`. */
  readonly url: string;
  /** CA certificates (PEM) that a TCP engine is verified with. Whoever reaches an engine is root on its machine, so TCP without TLS is for loopback only. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Address of the engine's machine: the pods' `hostIP`, and their own address with `hostNetwork`. */
  readonly hostIP?: string;
  /** Pods that this engine takes. @defaultValue 110, as a kubelet */
  readonly maxPods: number;
  /** What of the machine is for pods. @defaultValue all of its processors and memory */
  readonly cpu?: string;
  readonly memory?: string;
}

export interface DockerOptions {
  readonly engines: readonly EngineOptions[];
  /** The engine's network that pods are on; it must be there. Its addresses are the pods'. @defaultValue `bridge` */
  readonly network: string;
  readonly sandbox: {
    /** Has `/bin/sh`, `nc`, `ln`, `mv` and `grep`, as busybox does. Pulled where it is missing. */
    readonly image?: string;
    /** Instead of an image: a static busybox on the replica's machine that an image is made from on the engine, for where there is no registry. */
    readonly busyboxFile?: string;
  };
  /** For `dnsPolicy: ClusterFirst`. @defaultValue none: pods resolve as the engine's containers do */
  readonly clusterDNS: readonly string[];
  /** @defaultValue `cluster.local` */
  readonly clusterDomain: string;
  /** What pods may have beyond an ordinary container; what of the machine, the zone's own `allow` says. @defaultValue nothing */
  readonly allow: {
    /** Capabilities beyond the engine's own default set that containers may add; `*` for all. */
    readonly capabilities: readonly string[];
    /** Containers may go without the engine's seccomp and AppArmor profiles. */
    readonly unconfined: boolean;
  };
}

export const DEFAULT_SANDBOX_IMAGE = 'docker.io/library/busybox:1.37-musl';

const path = z.string().startsWith('/', 'must be an absolute path');
const quantity = z
  .string()
  .regex(/^[0-9.]+([eE][0-9]+|m|[kMGTPE]|[KMGTPE]i)?$/, 'must be a quantity such as "4" or 8Gi');

const engine = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/, 'must be a DNS label')
      .default('engine'),
    url: z.string().default('unix:///var/run/docker.sock'),
    caFile: path.optional(),
    certFile: path.optional(),
    keyFile: path.optional(),
    hostIP: z.union([z.ipv4(), z.ipv6()]).optional(),
    maxPods: z.int().min(0).max(10_000).default(110),
    cpu: quantity.optional(),
    memory: quantity.optional(),
  })
  .check(({ value, issues }) => {
    const find = (key: string, message: string): void =>
      void issues.push({ code: 'custom', path: [key], message, input: value });
    const problem = urlProblem(value.url);
    if (problem !== undefined) {
      find('url', problem);
      return;
    }
    const url = new URL(value.url);
    const files = ['caFile', 'certFile', 'keyFile'] as const;
    for (const key of files) {
      if (value[key] !== undefined && url.protocol !== 'tcp:') find(key, 'has a meaning only with a tcp url');
      else if (value[key] === undefined && files.some((other) => value[other] !== undefined)) {
        find(key, 'missing: TLS needs caFile, certFile and keyFile');
      }
    }
    const open = url.protocol === 'tcp:' && files.every((key) => value[key] === undefined);
    if (open && !/^(localhost|127\.[0-9.]+|\[::1\])$/.test(url.hostname)) {
      find('url', 'needs caFile, certFile and keyFile: whoever reaches an engine without TLS is root on its machine');
    }
  });

const schema = z
  .strictObject({
    kind: z.literal('docker'),
    engines: z
      .array(engine)
      .min(1)
      .default([engine.parse({})]),
    network: z.string().min(1).default('bridge'),
    sandbox: z
      .strictObject({ image: z.string().min(1).optional(), busyboxFile: path.optional() })
      .refine(({ image, busyboxFile }) => image === undefined || busyboxFile === undefined, {
        message: 'has either image or busyboxFile',
      })
      .default({}),
    clusterDNS: z
      .array(z.union([z.ipv4(), z.ipv6()]))
      .max(3)
      .default([]),
    clusterDomain: z.string().min(1).default('cluster.local'),
    allow: z
      .strictObject({
        capabilities: z.array(z.string().regex(/^([A-Z_]+|\*)$/, 'must be a capability or "*"')).default([]),
        unconfined: z.boolean().default(false),
      })
      .default({ capabilities: [], unconfined: false }),
  })
  .check(({ value, issues }) => {
    const names = value.engines.map(({ name }) => name);
    for (const [i, name] of names.entries()) {
      if (names.indexOf(name) < i) {
        const message = `${name} is the name of two engines`;
        issues.push({ code: 'custom', path: ['engines', i, 'name'], message, input: value });
      }
    }
  });

export const parseOptions: ProviderModule<DockerOptions>['parseOptions'] = (raw) => {
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => ({
      path: issue.path.filter((part): part is string | number => typeof part !== 'symbol'),
      message: issue.message,
    }));
    return { ok: false, problems };
  }
  const { kind: _, ...options } = parsed.data;
  return { ok: true, options: options as DockerOptions };
};

function urlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null) return 'must be a unix or tcp address such as unix:///var/run/docker.sock or tcp://10.0.0.5:2376';
  if (url.protocol === 'ssh:') {
    return 'ssh is not offered: forward the socket (ssh -N -L /run/zone-a.sock:/var/run/docker.sock HOST) and name it as unix:///run/zone-a.sock';
  }
  if (url.protocol === 'unix:') {
    return url.host === '' && url.pathname.length > 1 ? undefined : 'must be unix:// and an absolute path';
  }
  if (url.protocol !== 'tcp:') return 'must begin with unix:// or tcp://';
  if (url.hostname === '' || url.port === '') return 'must have a host and a port';
  if (url.username !== '' || (url.pathname !== '' && url.pathname !== '/'))
    return 'must have a host and a port, nothing else';
  return undefined;
}
