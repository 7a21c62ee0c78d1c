/**
 * A set in action for a scenario: cluster, backends and replicas as processes, a Deployment whose pods run, a history of
 * all that the API server said. What a scenario does to it is its own; what must hold all the same is checked at the end.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { lastLines } from '../../../src/commands/demo/child.ts';
import { readJournal } from '../../../src/commands/demo/journal.ts';
import { type Play as Opened, openPlay } from '../../../src/commands/demo/play.ts';
import { buildStage, type Stage } from '../../../src/commands/demo/stage.ts';
import { waitFor } from '../../../src/commands/demo/wait-for.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { NODES } from '../../../src/kube/resources.ts';
import { CLUSTER, type Cluster, startRealCluster } from './cluster.ts';
import { type History, record } from './history.ts';
import type { Journals } from './invariants.ts';
import type { Outage, Sign } from './leadership.ts';
import { type Links, openLinks } from './links.ts';
import { type Circumstances, type Violation, violations } from './violations.ts';

export interface PlayOptions {
  /** @defaultValue 9 */
  readonly pods?: number;
  readonly zones?: number;
  readonly replicas?: number;
  /** @defaultValue simulated */
  readonly runtime?: 'simulated' | 'process';
  /** Another play whose backends this one uses; its cluster is another one. */
  readonly backendsOf?: Play;
  /** @defaultValue as the run of the tests says */
  readonly on?: Cluster;
  /** Puts a fault proxy of its own on each replica's way to the API server and to each backend. @defaultValue false */
  readonly proxied?: boolean;
  /** Statuses carry their epoch, so that each one's term can be told afterwards. @defaultValue false */
  readonly carryEpoch?: boolean;
  /** What `settings` say of the election. @defaultValue lease */
  readonly electedBy?: 'lease' | 'redis';
  /** What a replica's configuration says beside or instead of the common one. */
  readonly settings?: (replica: string) => object;
  /** Signs of leaders on locks that are no Leases, up to now. */
  readonly signs?: () => readonly Sign[];
  /** When there was nothing to be elected by, up to now. */
  readonly outages?: () => readonly Outage[];
  /** For everything that is written, not removed at the end. @defaultValue a temporary one, which is */
  readonly folder?: string;
  /** Further flags of a real cluster's kube-controller-manager. */
  readonly controllerManagerFlags?: readonly string[];
  /** Added to the environment of every part. */
  readonly env?: Readonly<Record<string, string>>;
  /** Ends every wait. */
  readonly signal?: AbortSignal;
}

export interface Play extends AsyncDisposable {
  readonly stage: Stage;
  readonly client: KubeClient;
  readonly observer: Opened['observer'];
  readonly history: History;
  readonly folder: string;
  /** Throws unless the play is `proxied`. */
  readonly links: Links;
  /** Stops and starts the API server, and nothing else of the cluster. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** Runs what happens while there is no replica: nobody can be expected to lead. */
  withoutReplicas(run: () => Promise<void>): Promise<void>;
  /** Waits with a generous limit: how quick a thing is, is for the benchmarks to say. */
  until(what: string, holds: () => boolean | Promise<boolean>, limitMs?: number): Promise<void>;
  journals(): Promise<Journals>;
  /** Waits until the replica says that it is ready: before that it may not even have heard of its signals. */
  replicaReady(name: string): Promise<void>;
  leaderOf(zone: string): string | undefined;
  epochOf(zone: string): number;
  /** What has to be known to judge the history up to now. */
  circumstances(): Circumstances;
  /** What was found wrong up to now, of what must hold in every scenario. */
  violations(options?: CheckOptions): Promise<Violation[]>;
  /** Throws when there is one. */
  checkInvariants(options?: CheckOptions): Promise<void>;
}

/**
 * For what must not change leaders: a machine that is so busy that processes stand still does not either, nor does a zone
 * that goes home after a minute.
 */
export const PATIENT_ELECTION = {
  leaseDuration: '30s',
  renewDeadline: '20s',
  retryPeriod: '1s',
  handBack: 'manual',
} as const;

export interface CheckOptions {
  /** Nodes whose epoch the scenario itself has edited. */
  readonly editedNodes?: readonly string[];
  /** Zones that the scenario itself has taken away, or kept from being led, for a while. */
  readonly withoutLeader?: readonly string[];
  /** Nodes that said themselves that they are not Ready, because their backend was down. */
  readonly givenUp?: readonly string[];
  /** The scenario has set the clocks of replicas. */
  readonly clocksSet?: boolean;
  /** The backends serve another cluster too: only what their journals say of this one's pods is looked at. */
  readonly sharedBackends?: boolean;
}

/** Linux ends the processes of a test run with it, however it ends; elsewhere only an orderly end does. */
const DIE_WITH_US = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--'] : [];
const LIMIT_MS = 90_000;
/** Ten processes come up at once, beside those of other files. */
const START_LIMIT_MS = 180_000;
/** A real cluster's controllers try to reach an API server that was away again with pauses of up to a minute (client-go). */
const CONTROLLERS_RETURN_MS = 120_000;
/** The node controller's, at the least. */
const NODE_GRACE_MS = 40_000;
const MAIN = join(import.meta.dirname, '../../../src/main.ts');

export async function openScenario(options: PlayOptions = {}): Promise<Play> {
  const clock = systemClock;
  const { on = CLUSTER, replicas = 3, zones = 3, signal = new AbortController().signal } = options;
  const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'zonelet-scenario-')));
  await using undo = new AsyncDisposableStack();
  if (options.folder === undefined) undo.defer(() => rm(folder, { recursive: true, force: true }));
  const real = on === 'real' ? undo.use(await startRealCluster(folder, options.controllerManagerFlags)) : undefined;
  const links = options.proxied === true ? undo.use(await openLinks(folder, replicas, zones)) : undefined;
  const stage = await buildStage({
    folder,
    self: [...DIE_WITH_US, process.execPath, MAIN],
    env: { ...process.env, ...options.env },
    kubeconfig: real?.kubeconfig,
    zones,
    replicas,
    random: systemRandom,
    configure: (replica, common) => ({
      ...(links === undefined ? common : links.configure(replica, common)),
      ...(options.carryEpoch === true ? { fence: { admissionPolicy: 'warn' } } : {}),
      ...options.settings?.(replica),
    }),
    ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
    ...(options.backendsOf === undefined ? {} : { backendsOf: options.backendsOf.stage }),
  });
  undo.defer(() => stage.stop(clock));
  const pods = options.pods ?? 9;
  const opened = undo.use(
    await openPlay({
      stage,
      env: process.env,
      clock,
      random: systemRandom,
      pods,
      signal,
      limitMs: START_LIMIT_MS,
      say: () => {},
    }),
  );
  const history = undo.use(await record(opened.client, clock, systemRandom));
  const { client, observer } = opened;
  const outages: Outage[] = [];
  /** Of the node controller. */
  const blind: Outage[] = [];
  /** Of the API server, while it lasts. */
  let stoppedAt: number | undefined;
  const zoneView = (zone: string) => observer.zones().find((each) => each.zone === zone);
  const play: Omit<Play, typeof Symbol.asyncDispose> = {
    stage,
    client,
    observer,
    history,
    folder,
    get links() {
      if (links === undefined) throw new Error('this play is not proxied');
      return links;
    },
    async stopApiServer() {
      stoppedAt = clock.now();
      if (real !== undefined) return await real.stopApiServer();
      const cluster = stage.part('cluster');
      cluster.kill('SIGKILL');
      await cluster.exited;
    },
    async startApiServer() {
      if (real !== undefined) await real.startApiServer();
      else stage.restart('cluster');
      await play.until('the API server', async () => {
        await opened.client.list(NODES, { limit: 1, timeoutMs: 2_000 });
        return true;
      });
      const until = clock.now();
      if (stoppedAt !== undefined) {
        outages.push({ from: stoppedAt, until });
        if (on === 'real') blind.push({ from: stoppedAt, until: until + CONTROLLERS_RETURN_MS });
      }
      stoppedAt = undefined;
    },
    async withoutReplicas(run) {
      const from = clock.now();
      await run();
      const until = clock.now();
      outages.push({ from, until });
      // Nobody was there to renew the node Leases: with a take-over on top it may have been for too long.
      if (until - from > NODE_GRACE_MS / 2) blind.push({ from, until: until + NODE_GRACE_MS });
    },
    async until(what, holds, limitMs = LIMIT_MS) {
      try {
        await waitFor(what, holds, { clock, limitMs, signal, onChange: observer.onChange });
      } catch (error) {
        const said = stage.replicas.map(({ name, child }) => `--- ${name}\n${lastLines(child, 8)}`).join('\n');
        throw new Error(`${String(error)}\n${JSON.stringify(observer.zones())}\n${said}`, { cause: error });
      }
    },
    async journals() {
      const entries = stage.zones.map(async ({ name, journal }) => [name, await readJournal(journal)] as const);
      return new Map(await Promise.all(entries));
    },
    replicaReady(name) {
      const port = stage.replicas.find((each) => each.name === name)?.httpPort;
      return play.until(
        `${name} to be ready`,
        async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200,
      );
    },
    leaderOf: (zone) => zoneView(zone)?.leader,
    epochOf: (zone) => zoneView(zone)?.epoch ?? 0,
    circumstances: () => ({
      electedBy: options.electedBy ?? 'lease',
      ...(options.signs === undefined ? {} : { signs: options.signs() }),
      set: stage.set,
      zones: stage.zones,
      outages: [...outages, ...(options.outages?.() ?? [])],
      blind,
      now: clock.now(),
    }),
    async violations(check = {}) {
      const all = await play.journals();
      // After the journals were read: what a backend was asked for, the API server knew before.
      await play.until('the recorder to have caught up', async () => {
        await history.caughtUp();
        return true;
      });
      const known = new Set(history.pods.map(({ object }) => object.metadata?.uid));
      const journals =
        check.sharedBackends === true
          ? new Map([...all].map(([zone, entries]) => [zone, entries.filter(({ uid }) => known.has(uid))] as const))
          : all;
      return violations(journals, history, { ...play.circumstances(), ...check });
    },
    async checkInvariants(check) {
      const found = await play.violations(check);
      if (found.length > 0) throw new Error(found.map(({ what, evidence }) => `${what}: ${evidence}`).join('\n'));
    },
  };
  const all = undo.move();
  return Object.assign(play, { [Symbol.asyncDispose]: () => all.disposeAsync() });
}
