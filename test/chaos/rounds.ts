/** One thing after the other is done to a set, and after each it is held to what must always be true. */
import type { Clock } from '../../src/clock.ts';
import { DEFAULT_TIMING } from '../../src/config/election-timing.ts';
import { parseDuration } from '../../src/config/syntax.ts';
import { messageOf } from '../../src/errors.ts';
import { installFencePolicy } from '../scenarios/support/fence-policy.ts';
import { gaps, type Outage } from '../scenarios/support/leadership.ts';
import { openScenario, type Play } from '../scenarios/support/play.ts';
import { followLocks } from '../scenarios/support/redis.ts';
import type { Violation } from '../scenarios/support/violations.ts';
import { type RedisServerProcess, startRedisServer } from '../support/redis-server.ts';
import type { Arguments } from './arguments.ts';
import { calm, noOrphans } from './calm.ts';
import { dice } from './dice.ts';
import { evidence } from './evidence.ts';
import { type Fault, type Field, pause, seconds } from './field.ts';
import { flowOfPods } from './flow.ts';
import { lateRequests } from './late-requests.ts';
import { NETWORK_FAULTS } from './network-faults.ts';
import { PEER_FAULTS } from './peer-faults.ts';
import { openPeerLink } from './peer-link.ts';
import { PROCESS_FAULTS } from './process-faults.ts';
import { REDIS_FAULTS } from './redis-faults.ts';
import { aboveBounds, type Score, score } from './score.ts';
import { SERVER_FAULTS } from './server-faults.ts';

export interface ChaosOptions extends Arguments {
  /** For everything that the processes write. */
  readonly folder: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  say(line: string): void;
}

export interface Outcome extends Score {
  readonly rounds: number;
  readonly failedRounds: number;
  readonly podsCreated: number;
  readonly podsDeleted: number;
  readonly ok: boolean;
}

const FAULTS: readonly Fault[] = [...PROCESS_FAULTS, ...SERVER_FAULTS, ...NETWORK_FAULTS, ...PEER_FAULTS];
const REDIS_SERVERS = 3;
/** Pods come and go before and after a fault, not only while it lasts. */
const AROUND_MS = 1_000;

/** Every fault once, in the order that the dice say, and then all again. */
function* deck({ dice, redis }: Field, { fence, only }: Arguments): Generator<Fault, never> {
  const known = [...FAULTS, ...lateRequests(fence), ...(redis.length > 0 ? REDIS_FAULTS : [])];
  const all = known.filter(({ name }) => name.includes(only));
  if (all.length === 0)
    throw new Error(`nothing is called "${only}", but: ${known.map(({ name }) => name).join('; ')}`);
  for (;;) yield* dice.shuffle(all);
}

export async function playRounds(options: ChaosOptions): Promise<Outcome> {
  const { rounds, pods, seed, on, election, fence, folder, clock, signal, say } = options;
  await using undo = new AsyncDisposableStack();
  const redis: RedisServerProcess[] = [];
  // Redis keeps what it was told when it is killed, as redlock wants it; that it forgets is a fault of its own.
  while (election === 'redis' && redis.length < REDIS_SERVERS)
    redis.push(undo.use(await startRedisServer({ persistent: true })));
  const locks = election === 'redis' ? undo.use(await followLocks(redis)) : undefined;
  const peer = undo.use(await openPeerLink('replica-1'));
  const redisOutages: Outage[] = [];
  const redisSections = election === 'redis' ? byRedis(redis) : {};
  await using play = await openScenario({
    pods,
    on: on === 'kubernetes' ? 'real' : 'embedded',
    proxied: true,
    carryEpoch: true,
    electedBy: election,
    settings: (replica) => ({
      ...(replica === peer.replica ? { peers: peer.section } : {}),
      ...redisSections,
      fence: { admissionPolicy: fence },
    }),
    env: peer.env,
    ...(locks === undefined ? {} : { signs: () => locks.signs }),
    outages: () => redisOutages,
    folder,
    signal,
  });
  if (fence === 'enforce') await installFencePolicy(play);
  // Pods and faults draw from dice of their own: how quick the machine is does not change which faults come.
  const leaseMs = parseDuration(DEFAULT_TIMING[election].leaseDuration) ?? 0;
  const common = { play, peer, redis, redisOutages, leaseMs, takeovers: [], clock, signal };
  const flow = flowOfPods({ ...common, dice: dice(seed + 1) });
  const field: Field = { ...common, flow, dice: dice(seed) };
  const judge = createJudge(play, say);
  const faults = deck(field, options);
  let failedRounds = 0;
  let round = 0;
  say(`${pods} pods run; seed ${seed}`);
  while (round < rounds) {
    round++;
    const fault = faults.next().value;
    const begun = clock.monotonic();
    const begunAt = clock.now();
    let what = '';
    let calmAgain = false;
    const wrong: Violation[] = [];
    flow.go();
    try {
      await pause(field, AROUND_MS);
      try {
        what = await fault.happen(field);
      } catch (error) {
        signal.throwIfAborted();
        wrong.push({ what: 'the fault itself', evidence: messageOf(error) });
      }
      await pause(field, AROUND_MS);
      await flow.pause();
      await calm(field, pods);
      calmAgain = true;
    } catch (error) {
      await flow.pause();
      signal.throwIfAborted();
      wrong.push({ what: 'I5, no calm', evidence: messageOf(error) });
    }
    wrong.push(...(await judge.news()));
    const took = [seconds(clock.monotonic() - begun), ...slowest(play, begunAt)].join('; ');
    say(`round ${round}/${rounds}: ${fault.name}: ${what} [${took}]${wrong.length > 0 ? ' FAILED' : ''}`);
    if (wrong.length > 0) failedRounds++;
    for (const each of wrong) await judge.tell(each);
    if (!calmAgain) {
      say('no calm came: what would be done next would say nothing');
      break;
    }
  }
  if (failedRounds === 0) {
    const begun = clock.monotonic();
    say('waiting until the backends have nothing else: orphans go after two looks that are 30 s apart');
    try {
      await noOrphans(field);
      say(`they have nothing else after ${seconds(clock.monotonic() - begun)}`);
    } catch (error) {
      signal.throwIfAborted();
      failedRounds++;
      say(`  I5, orphans: ${messageOf(error)}`);
    }
    const wrong = await judge.news();
    if (wrong.length > 0) failedRounds++;
    for (const each of wrong) await judge.tell(each);
  }
  const counts = score(await play.journals(), play.history, play.circumstances(), field.takeovers);
  const above = aboveBounds(counts, leaseMs);
  for (const line of above) say(`above its bound: ${line}`);
  return {
    rounds: round,
    failedRounds,
    ...counts,
    podsCreated: flow.created,
    podsDeleted: flow.deleted,
    ok: failedRounds === 0 && above.length === 0 && round === rounds,
  };
}

/** The slowest take-over since then, for people; nothing where there was none. */
function slowest(play: Play, since: number): string[] {
  const [slowest] = gaps(play.history, play.circumstances())
    .filter(({ ended, until }) => ended === 'claimed' && until >= since)
    .sort((a, b) => b.tookMs - a.tookMs);
  return slowest === undefined ? [] : [`${slowest.zone} was taken over after ${seconds(slowest.tookMs)}`];
}

function byRedis(redis: readonly RedisServerProcess[]): object {
  return { election: { by: 'redis' }, redis: { servers: redis.map(({ url }) => url) }, state: { by: 'redis' } };
}

interface Judge {
  /** What is wrong by now and was not before. */
  news(): Promise<Violation[]>;
  tell(violation: Violation): Promise<void>;
}

function createJudge(play: Play, say: (line: string) => void): Judge {
  const known = new Set<string>();
  return {
    async news() {
      const all = await play.violations();
      const fresh = all.filter((violation) => !known.has(JSON.stringify(violation)));
      for (const violation of fresh) known.add(JSON.stringify(violation));
      return fresh;
    },
    async tell(violation) {
      say(`  ${violation.what}: ${violation.evidence}`);
      for (const line of evidence(violation, await play.journals(), play.history)) say(`    ${line}`);
    },
  };
}
