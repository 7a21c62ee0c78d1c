import { Registry } from 'prom-client';
import * as redlock from 'redlock';
import { sleep } from '../../../src/clock.ts';
import type { HandBackSettings } from '../../../src/election/contest.ts';
import { createElection, type Election } from '../../../src/election/election.ts';
import { epochFloor, mayClaim } from '../../../src/election/epoch-floor.ts';
import type { ElectionKind } from '../../../src/election/lock.ts';
import { ELECTION_ANNOTATION, EPOCH_ANNOTATION, LEADER_ANNOTATION, SET_LABEL } from '../../../src/election/names.ts';
import { createRedisElection } from '../../../src/election/redis-election.ts';
import { type LockKeys, lockKeys } from '../../../src/election/redis-scripts.ts';
import { parseClaim } from '../../../src/election/redis-tally.ts';
import type { Term } from '../../../src/election/term.ts';
import type { Witness } from '../../../src/election/witness.ts';
import { LEASES, NODES } from '../../../src/kube/resources.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { type ElectionMetrics, electionMetrics } from '../../../src/metrics/election.ts';
import { lockPrograms } from '../../support/redis-lock-programs.ts';
import { createRedisModel, type RedisModel } from '../../support/redis-model.ts';
import { seededRandom, VirtualClock } from '../../support/virtual-clock.ts';
import { Cluster, goodLink, type Link } from './cluster.ts';
import { overLink } from './redis-link.ts';
import { ReplicaClock } from './replica-clock.ts';

export const SET = 'demo';
export const timing = { leaseDurationMs: 6_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 };

let electsBy: ElectionKind = 'lease';

/** What the stages of this file's tests elect by; the same suites run for both kinds. */
export function electBy(kind: ElectionKind): void {
  electsBy = kind;
}

export const redisKeys = (zone: string): LockKeys => lockKeys('zonelet', `cluster/${SET}`, zone);

export const isLease = (): boolean => electsBy === 'lease';

export interface StageOptions {
  readonly seed?: number;
  /** @defaultValue what `electBy` says */
  readonly by?: ElectionKind;
  /** How many Redis servers there are. @defaultValue 3 */
  readonly servers?: number;
}

export interface Replica {
  readonly name: string;
  readonly clock: ReplicaClock;
  /** Its way to the API server. */
  readonly link: Link;
  /** Its way to each of the Redis servers. */
  readonly redis: readonly Link[];
  /** Its way to what keeps the lock. */
  readonly lockLinks: readonly Link[];
  readonly election: Election;
  readonly metrics: ElectionMetrics;
  /** Every term that it was given, by zone. */
  readonly terms: Term[];
  /** What it did when told to wind down, by zone. */
  windDownMs: number;
  /** Resolves when everything has come to its end. */
  readonly ended: Promise<unknown>;
  /** SIGTERM. */
  stop(): void;
  /** SIGKILL. */
  kill(): void;
  /** May it act for the zone right now? A process that is stopped cannot. */
  acts(zone: string): boolean;
}

export interface StartOptions {
  readonly homeZone?: string;
  readonly uid?: string;
  readonly log?: Logger;
  readonly handBack?: HandBackSettings;
  /** @defaultValue all of the stage's: those of its configuration */
  readonly zones?: readonly string[];
  /** In every zone. */
  readonly witness?: Witness;
  /** @defaultValue the stage's */
  readonly by?: ElectionKind;
  /** It knows of no Redis. */
  readonly withoutRedis?: boolean;
  /** Called with each term; when it returns, the term is given up. */
  readonly lead?: (term: Term) => Promise<void>;
}

/** Replicas of one set in one process, with a cluster that obeys the test. */
export class Stage {
  readonly clock = new VirtualClock();
  readonly cluster = new Cluster(this.clock);
  readonly replicas: Replica[] = [];
  readonly zones: readonly string[];
  readonly #random;

  readonly by: ElectionKind;
  readonly servers: readonly RedisModel[];

  constructor(zones: readonly string[] = ['a'], options: StageOptions = {}) {
    const { seed = 1, by = electsBy, servers = 3 } = options;
    this.zones = zones;
    this.by = by;
    this.#random = seededRandom(seed);
    this.servers = Array.from({ length: servers }, (_, i) =>
      createRedisModel({ clock: this.clock, programs: lockPrograms, name: `redis-${i}` }),
    );
  }

  start(name: string, options: StartOptions = {}): Replica {
    const clock = new ReplicaClock(this.clock);
    const link = goodLink();
    const client = this.cluster.client(link, clock);
    const metrics = electionMetrics(new Registry());
    const { homeZone, uid, witness, zones = this.zones, by = this.by } = options;
    const redis = this.servers.map(() => goodLink());
    const redisElection = createRedisElection({
      servers: this.servers.map((server, i) => overLink(server.connect(), redis[i] ?? goodLink(), clock, this.clock)),
      keyPrefix: 'zonelet',
      owner: `cluster/${SET}`,
      redlock,
      clock,
      random: this.#random,
      log: options.log ?? silentLogger,
    });
    const ofSet = { key: SET_LABEL, value: SET };
    const election = createElection({
      client,
      set: SET,
      namespace: 'default',
      replica: { name, ...(uid === undefined ? {} : { uid }), ...(homeZone === undefined ? {} : { homeZone }) },
      bootId: this.#random.uuid(),
      zones: zones.map((zone) => ({
        name: zone,
        nodeName: `node-${zone}`,
        ...(witness === undefined ? {} : { witness }),
      })),
      by,
      ...(options.withoutRedis === true ? {} : { redisLock: redisElection.lock }),
      timing,
      ...(options.handBack === undefined ? {} : { handBack: options.handBack }),
      leases: this.cluster.informer(LEASES, ofSet, link, clock),
      nodes: this.cluster.informer(NODES, ofSet, link, clock),
      clock,
      random: this.#random,
      metrics,
      log: options.log ?? silentLogger,
    });
    const zonesStop = new AbortController();
    const electionStop = new AbortController();
    const terms: Term[] = [];
    const current = new Map<string, Term>();
    const campaign = async (zone: string): Promise<void> => {
      for await (const term of election.campaign(zone).terms(zonesStop.signal)) {
        terms.push(term);
        // Before that it writes nothing.
        await this.#claimNode(zone, term, election);
        current.set(zone, term);
        if (options.lead !== undefined) await options.lead(term);
        else await over(term);
        if (!term.signal.aborted) await sleep(clock, replica.windDownMs, term.signal);
      }
    };
    const running = election.run(electionStop.signal, () => {});
    const ended = Promise.all(zones.map(campaign)).then(() => {
      electionStop.abort();
      return running;
    });
    const replica: Replica = {
      name,
      clock,
      link,
      redis,
      lockLinks: by === 'redis' ? redis : [link],
      election,
      metrics,
      terms,
      windDownMs: 10,
      ended,
      stop: () => zonesStop.abort(),
      kill: () => clock.freeze(),
      acts: (zone) => !clock.frozen && (current.get(zone)?.mayAct() ?? false),
    };
    this.replicas.push(replica);
    return replica;
  }

  /** What a leader does first: the epoch on the Node, with a precondition. */
  async #claimNode(zone: string, term: Term, election: Election): Promise<void> {
    const name = `node-${zone}`;
    const before = this.cluster.node(name);
    const stated = before?.metadata?.annotations?.[ELECTION_ANNOTATION];
    const free =
      stated === election.by ||
      (await election
        .campaign(zone)
        .mayTakeOver(stated, { timeoutMs: 3_000 })
        .catch(() => false));
    const node = this.cluster.node(name);
    if (!term.mayAct()) return;
    const annotations = {
      [EPOCH_ANNOTATION]: String(term.epoch),
      [LEADER_ANNOTATION]: term.holder,
      [ELECTION_ANNOTATION]: election.by,
    };
    if (!free) term.lose('superseded', `the set elects by ${stated}`);
    else if (node?.metadata?.resourceVersion !== before?.metadata?.resourceVersion)
      term.lose('superseded', 'the Node was changed');
    else if (node === undefined)
      this.cluster.createByHand(NODES, { metadata: { name, labels: { [SET_LABEL]: SET }, annotations } });
    else if (!mayClaim(node, term.epoch, term.holder))
      term.lose('superseded', `epoch ${epochFloor(node)} stands on the Node`);
    else {
      this.cluster.edit(NODES, name, (object) => {
        object.metadata = { ...object.metadata, annotations: { ...object.metadata?.annotations, ...annotations } };
      });
    }
  }

  /** When the lock was last written by its holder. */
  lastRenewal(zone: string): number {
    if (this.by === 'lease') {
      return this.cluster.writes.filter(({ key }) => key === `leases/zonelet-${SET}-${zone}`).at(-1)?.at ?? 0;
    }
    const leftMs = this.servers.map(({ data }) => data.expiresIn(redisKeys(zone).lock) ?? 0);
    return this.clock.monotonic() - timing.leaseDurationMs + Math.max(...leftMs);
  }

  /** By hand: no preconditions. */
  removeLock(zone: string): void {
    if (this.by === 'lease') this.cluster.remove(LEASES, `zonelet-${SET}-${zone}`);
    else for (const { data } of this.servers) data.delete(redisKeys(zone).lock);
  }

  /** Whom the lock names; undefined when nobody holds it. */
  holderOf(zone: string): string | undefined {
    if (this.by === 'lease') return this.cluster.lease(`zonelet-${SET}-${zone}`)?.spec?.holderIdentity || undefined;
    const value = this.servers[0]?.data.get(redisKeys(zone).lock);
    return value?.type === 'string' ? parseClaim(value.text)?.holder : undefined;
  }

  acting(zone: string): Replica[] {
    return this.replicas.filter((replica) => replica.acts(zone));
  }

  leader(zone: string): Replica | undefined {
    return this.acting(zone)[0];
  }

  leaders(): Record<string, string | undefined> {
    return Object.fromEntries(this.zones.map((zone) => [zone, this.leader(zone)?.name]));
  }

  /** Goes on in small steps until it holds; the milliseconds that it took. Throws when it does not come to hold. */
  async until(what: () => boolean, limitMs: number, stepMs = 10): Promise<number> {
    const begun = this.clock.monotonic();
    while (!what()) {
      if (this.clock.monotonic() - begun >= limitMs) throw new Error(`not so within ${limitMs} ms`);
      await this.clock.advance(stepMs);
    }
    return this.clock.monotonic() - begun;
  }

  /** Goes on for so long; throws the moment that two replicas may act for one zone. */
  async advance(ms: number, stepMs = 50): Promise<void> {
    const end = this.clock.monotonic() + ms;
    while (this.clock.monotonic() < end) {
      await this.clock.advance(Math.min(stepMs, end - this.clock.monotonic()));
      this.checkAlone();
    }
  }

  checkAlone(): void {
    for (const zone of this.zones) {
      const acting = this.acting(zone);
      if (acting.length > 1) {
        const names = acting.map(({ name }) => name).join(' and ');
        throw new Error(`${names} may both act for zone ${zone} at ${this.clock.monotonic()} ms`);
      }
    }
  }
}

/** Resolves when the term is over or is to end. */
export function over(term: Term): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of [term.signal, term.ending]) {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}
