/**
 * What the demo puts on stage: an API server (embedded, or somebody's cluster), a backend for each zone, replicas; every
 * one a process of its own, with its output in a file of the demo's folder.
 */
import { writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { type Clock, type Random, sleep } from '../../clock.ts';
import { ZoneletError } from '../../errors.ts';
import { type Child, startChild } from './child.ts';
import { type CommonConfiguration, configuration } from './configuration.ts';
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
  /** For ports, and for the UIDs of the replicas' pods. */
  readonly random: Random;
  /** What the backends do with pods. @defaultValue simulated: nothing is really run */
  readonly runtime?: 'simulated' | 'process';
  /** Use the backends of this stage, which start and end with it. @defaultValue own ones */
  readonly backendsOf?: Stage;
  /**
   * The configuration of one replica, made from what all have; called when the replica is started for the first time,
   * which is after the cluster has written its kubeconfig. @defaultValue the same for all
   */
  readonly configure?: (replica: string, common: CommonConfiguration) => object;
}

export interface StageZone {
  readonly name: string;
  readonly nodeName: string;
  readonly journal: string;
  readonly port: number;
}

export interface Replica {
  readonly name: string;
  readonly homeZone: string;
  readonly httpPort: number;
  readonly child: Child;
}

/** The parts' names: `cluster`, `backend-<zone>`, `replica-<n>`. */
export interface Stage {
  readonly set: string;
  readonly namespace: string;
  readonly kubeconfig: string;
  readonly configFile: string;
  readonly zones: readonly StageZone[];
  /** Those that have been started. */
  readonly replicas: readonly Replica[];
  readonly folder: string;
  /** What is on it, for people. */
  readonly describe: string;
  startCluster(): void;
  startBackends(): void;
  startReplicas(): void;
  part(name: string): Child;
  /** Starts a part that has ended again, with the same arguments and environment: as a kubelet restarts a container. */
  restart(name: string): void;
  /** Starts a replica again as the StatefulSet controller would: a new pod of the same name, on this Node if one is named. */
  replaceReplica(name: string, nodeName?: string): void;
  /** A part that is not to end while the demo plays and has ended all the same. Replicas are not asked: their end is the play. */
  ended(): Child | undefined;
  stopReplicas(clock: Clock): Promise<void>;
  /** SIGTERM to what still runs, SIGKILL to what has not ended then; replicas first, so that they can still give their zones up. */
  stop(clock: Clock): Promise<void>;
}

interface Part {
  child: Child;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Well above the longest orderly stop. */
const STOP_LIMIT_MS = 10_000;
export const DEMO_SET = 'demo';
const NAMESPACE = 'default';

/** `a`, `b`, ... `z`, `aa`, ... as the cloud providers name their zones. */
function zoneName(index: number): string {
  const letter = String.fromCharCode(97 + (index % 26));
  return `zone-${index < 26 ? letter : `${String.fromCharCode(96 + Math.floor(index / 26))}${letter}`}`;
}

export async function buildStage(options: StageOptions): Promise<Stage> {
  const { folder, self, env, random } = options;
  await mkdir(folder, { recursive: true });
  const [apiPort = 0, ...ports] = await freePorts(random, 1 + options.zones + options.replicas);
  const httpPorts = ports.slice(options.zones);
  const kubeletPorts = await freePorts(random, options.replicas, options.zones);
  const kubeconfig = options.kubeconfig ?? join(folder, 'kubeconfig');
  const zones =
    options.backendsOf?.zones ??
    Array.from({ length: options.zones }, (_, i) => ({
      name: zoneName(i),
      nodeName: `${DEMO_SET}-${zoneName(i)}`,
      journal: join(folder, `${zoneName(i)}.journal`),
      port: ports[i] ?? 0,
    }));
  const homeOf = (i: number): string => zones[i % zones.length]?.name ?? '';
  const configFile = join(folder, 'zonelet.yaml');
  const common = configuration(DEMO_SET, NAMESPACE, kubeconfig, zones);
  await writeFile(configFile, stringify(common));

  const parts = new Map<string, Part>();
  const start = (name: string, args: readonly string[], extra: Readonly<Record<string, string>> = {}): void => {
    const command = [...self, ...args];
    const child = startChild({
      name,
      command,
      env: { ...env, ...extra },
      cwd: folder,
      logFile: join(folder, `${name}.log`),
    });
    parts.set(name, { child, args, env: extra });
  };
  const find = (name: string): Part => {
    const part = parts.get(name);
    if (part === undefined) throw new ZoneletError('NotFound', `there is no ${name} on stage`);
    return part;
  };
  const configFileOf = (replica: string): string => {
    if (options.configure === undefined) return configFile;
    const own = join(folder, `${replica}.yaml`);
    writeFileSync(own, stringify(options.configure(replica, common)));
    return own;
  };
  const replicas = Array.from({ length: options.replicas }, (_, i) => ({
    name: `replica-${i}`,
    homeZone: homeOf(i),
    httpPort: httpPorts[i] ?? 0,
    get child() {
      return find(`replica-${i}`).child;
    },
  }));
  const childrenOf = (wanted: (name: string) => boolean): Child[] =>
    [...parts].filter(([name]) => wanted(name)).map(([, { child }]) => child);

  return {
    set: DEMO_SET,
    namespace: NAMESPACE,
    kubeconfig,
    configFile,
    zones,
    get replicas() {
      return replicas.filter(({ name }) => parts.has(name));
    },
    folder,
    describe: `${options.kubeconfig === undefined ? 'an embedded Kubernetes API, ' : ''}${options.zones} backends and ${options.replicas} replicas`,
    startCluster() {
      if (options.kubeconfig !== undefined) return;
      const listen = `127.0.0.1:${apiPort}`;
      const data = join(folder, 'cluster.data');
      start('cluster', ['local-cluster', '--listen', listen, '--data', data, '--kubeconfig', kubeconfig]);
    },
    startBackends() {
      if (options.backendsOf !== undefined) return;
      for (const { name, port, journal } of zones) {
        const at = ['--listen', `127.0.0.1:${port}`, '--zone', name, '--data', join(folder, `${name}.data`)];
        start(`backend-${name}`, ['backend', ...at, '--runtime', options.runtime ?? 'simulated', '--journal', journal]);
      }
    },
    startReplicas() {
      for (const [i, { name, homeZone, httpPort }] of replicas.entries()) {
        const ofItself = ['--replica', name, '--home-zone', homeZone];
        const listening = ['--kubelet-port', String(kubeletPorts[i]), '--http-port', String(httpPort)];
        start(name, ['run', '--config', configFileOf(name), ...ofItself, ...listening], { POD_UID: random.uuid() });
      }
    },
    part: (name) => find(name).child,
    restart(name) {
      const part = find(name);
      start(name, part.args, part.env);
    },
    replaceReplica(name, nodeName) {
      const at = nodeName === undefined ? {} : { NODE_NAME: nodeName };
      start(name, find(name).args, { POD_UID: random.uuid(), ...at });
    },
    ended: () => childrenOf((name) => !name.startsWith('replica-')).find(({ running }) => !running),
    stopReplicas: (clock) =>
      stopAll(
        childrenOf((name) => name.startsWith('replica-')),
        clock,
      ),
    async stop(clock) {
      await stopAll(
        childrenOf((name) => name.startsWith('replica-')),
        clock,
      );
      await stopAll(
        childrenOf(() => true),
        clock,
      );
    },
  };
}

async function stopAll(children: readonly Child[], clock: Clock): Promise<void> {
  const alive = children.filter(({ running }) => running);
  for (const child of alive) {
    child.kill('SIGTERM');
    // A process that is held still sees its SIGTERM only then.
    child.kill('SIGCONT');
  }
  const done = new AbortController();
  const late = sleep(clock, STOP_LIMIT_MS, done.signal).then(() => {
    if (!done.signal.aborted) for (const child of alive) if (child.running) child.kill('SIGKILL');
  });
  await Promise.all(alive.map(({ exited }) => exited));
  done.abort();
  await late;
}
