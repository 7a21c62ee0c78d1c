/**
 * What the demo puts on stage: an API server (embedded, or somebody's cluster), a backend for each zone, replicas; every
 * one a process of its own, with its output in a file of the demo's folder.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Child, startChild } from './child.ts';
import { freePorts } from './free-ports.ts';

export interface StageOptions {
  /** Folder for everything that the demo writes. */
  readonly folder: string;
  /** Program and first arguments of `zonelet`. */
  readonly self: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A cluster to play on; undefined: the embedded one. */
  readonly kubeconfig: string | undefined;
  readonly zones: number;
  readonly replicas: number;
  /** UUIDs for the replicas' pods. */
  uuid(): string;
}

export interface Replica {
  readonly name: string;
  readonly homeZone: string;
  readonly httpPort: number;
  child: Child;
}

export interface Stage {
  readonly set: string;
  readonly namespace: string;
  readonly kubeconfig: string;
  readonly configFile: string;
  readonly zones: readonly { readonly name: string; readonly nodeName: string; readonly journal: string }[];
  readonly replicas: readonly Replica[];
  readonly folder: string;
  /** Every process that runs now. */
  children(): readonly Child[];
  startCluster(): void;
  startBackends(): void;
  startReplicas(): void;
  /** Starts it again, as the StatefulSet controller would: a new pod of the same name. */
  restartReplica(replica: Replica): void;
}

/** `a`, `b`, ... `z`, `aa`, ... as the cloud providers name their zones. */
function zoneName(index: number): string {
  const letter = String.fromCharCode(97 + (index % 26));
  return `zone-${index < 26 ? letter : `${String.fromCharCode(96 + Math.floor(index / 26))}${letter}`}`;
}

export async function buildStage(options: StageOptions): Promise<Stage> {
  const { folder, self, env, uuid } = options;
  await mkdir(folder, { recursive: true });
  const set = 'demo';
  const namespace = 'default';
  const [apiPort = 0, ...ports] = await freePorts(1 + options.zones + options.replicas);
  const kubeletPorts = await freePorts(options.replicas, options.zones);
  const kubeconfig = options.kubeconfig ?? join(folder, 'kubeconfig');
  const zones = Array.from({ length: options.zones }, (_, i) => ({
    name: zoneName(i),
    nodeName: `${set}-${zoneName(i)}`,
    journal: join(folder, `${zoneName(i)}.journal`),
    port: ports[i] ?? 0,
  }));
  const configFile = join(folder, 'zonelet.yaml');
  await writeFile(configFile, stringify(configuration(set, namespace, kubeconfig, zones)));

  const running = new Map<string, Child>();
  const start = (name: string, args: readonly string[], extra: Readonly<Record<string, string>> = {}): Child => {
    const child = startChild({
      name,
      command: [...self, ...args],
      env: { ...env, ...extra },
      cwd: folder,
      logFile: join(folder, `${name}.log`),
    });
    running.set(name, child);
    return child;
  };
  const startReplica = (i: number): Child =>
    start(
      `replica-${i}`,
      [
        'run',
        '--config',
        configFile,
        '--kubelet-port',
        String(kubeletPorts[i]),
        '--http-port',
        String(ports[options.zones + i]),
      ],
      { POD_NAME: `replica-${i}`, POD_UID: uuid(), HOME_ZONE: zones[i % zones.length]?.name ?? '' },
    );
  const replicas: Replica[] = [];

  return {
    set,
    namespace,
    kubeconfig,
    configFile,
    zones,
    replicas,
    folder,
    children: () => [...running.values()].filter((child) => child.running),
    startCluster() {
      if (options.kubeconfig !== undefined) return;
      const data = join(folder, 'cluster.data');
      start('cluster', [
        'local-cluster',
        '--listen',
        `127.0.0.1:${apiPort}`,
        '--data',
        data,
        '--kubeconfig',
        kubeconfig,
      ]);
    },
    startBackends() {
      for (const { name, port, journal } of zones) {
        const at = ['--listen', `127.0.0.1:${port}`, '--zone', name, '--data', join(folder, `${name}.data`)];
        start(`backend-${name}`, ['backend', ...at, '--runtime', 'simulated', '--journal', journal]);
      }
    },
    startReplicas() {
      for (let i = 0; i < options.replicas; i++) {
        const homeZone = zones[i % zones.length]?.name ?? '';
        replicas.push({
          name: `replica-${i}`,
          homeZone,
          httpPort: ports[options.zones + i] ?? 0,
          child: startReplica(i),
        });
      }
    },
    restartReplica(replica) {
      replica.child = startReplica(replicas.indexOf(replica));
    },
  };
}

/** The configuration that every replica of the demo reads; it would serve on any cluster. */
function configuration(
  set: string,
  namespace: string,
  kubeconfig: string,
  zones: readonly { readonly name: string; readonly port: number }[],
): object {
  return {
    apiVersion: 'zonelet.dev/v1alpha1',
    kind: 'Zonelet',
    set,
    namespace,
    kubeconfig,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: references of the configuration, filled in by each replica
    replica: { name: '${POD_NAME}', uid: '${POD_UID}', homeZone: '${HOME_ZONE}' },
    zones: zones.map(({ name, port }) => ({
      name,
      region: 'local',
      provider: { kind: 'web', url: `http://127.0.0.1:${port}` },
      capacity: { cpu: '64', memory: '256Gi', pods: '5000' },
    })),
    kubelet: { address: '127.0.0.1', port: 10250 },
    http: { port: 9090 },
    log: { level: 'info', format: 'json' },
  };
}
