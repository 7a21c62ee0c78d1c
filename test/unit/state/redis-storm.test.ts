/** Random terms of random replicas on a Redis and a network that do whatever they like; when they stop, all is as the last leader said. */
import { expect, test } from 'vitest';
import type { TermState } from '../../../src/state/contract.ts';
import { createRedisModel } from '../../support/redis-model.ts';
import { stateRedisPrograms } from '../../support/redis-state-model.ts';
import { seededRandom, VirtualClock } from '../../support/virtual-clock.ts';
import { KEYS, pod, record, type TestTerm, testReplica } from './stage.ts';

interface Leader {
  readonly epoch: number;
  readonly term: TestTerm;
  readonly state: TermState;
  /** What it kept or dropped itself, by UID. */
  readonly said: Map<string, string | undefined>;
}

async function storm(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const chance = (share: number): boolean => random.next() < share;
  const between = (low: number, high: number): number => low + Math.floor(random.next() * (high - low + 1));
  const clock = new VirtualClock();
  const model = createRedisModel({ clock, programs: stateRedisPrograms });
  let wild = true;
  const [loss, slow] = [random.next() * 0.3, chance(0.5) ? 400 : 20];
  const faults = {
    latencyMs: () => (wild ? random.next() * slow : 1),
    loseRequest: () => wild && chance(loss),
    loseReply: () => wild && chance(loss),
    loseMessage: () => wild && chance(loss),
  };
  const replicas = Array.from({ length: between(2, 4) }, (_, i) =>
    testReplica(model.connect(faults), clock, seed * 10 + i),
  );
  /** Who believes to lead; the last one does. */
  const leaders: Leader[] = [];
  const lead = async (): Promise<void> => {
    const epoch = (leaders.at(-1)?.epoch ?? 0) + 1;
    const beginning = replicas[between(0, replicas.length - 1)]!.begin(epoch);
    await clock.advance(1_500);
    leaders.push({ epoch, ...(await beginning), said: new Map() });
  };
  /** At once: the others may not know yet, but one replica leads once. */
  const end = async (): Promise<void> => {
    for (const { term, state } of leaders) {
      if (chance(0.5)) term.lost.abort();
      const ending = state[Symbol.asyncDispose]();
      await clock.advance(500);
      await ending;
      term.lost.abort();
    }
  };

  await lead();
  for (let step = 0; step < 60; step++) {
    const leader = leaders.at(-1)!;
    for (let i = between(0, 20); i > 0; i--) {
      const uid = `u${between(0, 40)}`;
      if (chance(0.2)) {
        leader.state.forget(uid);
        leader.said.set(uid, undefined);
      } else {
        const handle = `${uid}-${leader.epoch}-${step}-${i}`;
        leader.state.keep(pod(uid), record(leader.epoch, handle));
        leader.said.set(uid, handle);
      }
    }
    if (chance(0.05)) model.flush();
    if (chance(0.05)) model.stop(chance(0.5));
    else if (chance(0.3)) model.start();
    await clock.advance(between(0, 3_000));
    if (chance(0.15)) {
      await end();
      await lead();
    }
  }

  wild = false;
  model.start();
  await clock.advance(15_000);
  const last = leaders.at(-1)!;
  expect(last.term.end, `seed ${seed}`).toBe(undefined);
  // What it does not know of is not there.
  const alive = [...last.said].flatMap(([uid, handle]) => (handle === undefined ? [] : [uid]));
  last.state.complete(alive.map((uid) => ({ uid })));
  await clock.advance(15_000);
  const stored = [...model.data.hash(KEYS.pods)].filter(([uid]) => !uid.startsWith('#'));
  const handles = stored.map(([uid, text]) => [uid, /"h":"([^"]+)"/.exec(text)?.[1]] as const);
  const said = alive.map((uid) => [uid, last.said.get(uid)] as const);
  const sorted = (entries: readonly (readonly [string, unknown])[]) =>
    [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(sorted(handles), `seed ${seed}`).toEqual(sorted(said));
  // And whoever comes next knows it all.
  await end();
  await clock.advance(100);
  for (const replica of replicas) {
    const beginning = replica.begin((leaders.at(-1)?.epoch ?? 0) + 1);
    await clock.advance(100);
    const { term, state } = await beginning;
    leaders.push({ epoch: term.epoch, term, state, said: new Map() });
    for (const [uid, handle] of said) expect(state.read(pod(uid))?.handle, `seed ${seed}`).toBe(handle);
    const ending = state[Symbol.asyncDispose]();
    await clock.advance(100);
    await ending;
  }
  const over = Promise.all(replicas.map((replica) => replica[Symbol.asyncDispose]()));
  await clock.advance(10);
  await over;
}

test('whatever happened to Redis, the last leader’s word stands in the end, and each replica knows it', async () => {
  for (let seed = 1; seed <= 40; seed++) await storm(seed);
});
