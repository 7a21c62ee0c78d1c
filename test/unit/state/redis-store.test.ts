/** The pod state in Redis, on a model of it under a virtual clock: what a new leader knows, and what trouble costs. */
import { afterEach, expect, test } from 'vitest';
import { createRedisModel, type ModelFaults } from '../../support/redis-model.ts';
import { stateRedisPrograms } from '../../support/redis-state-model.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';
import { KEYS, pod, record, type TestReplica, testReplica } from './stage.ts';

let cleanup = new AsyncDisposableStack();
afterEach(async () => {
  await cleanup.disposeAsync();
  cleanup = new AsyncDisposableStack();
});

function stage() {
  const clock = new VirtualClock();
  const model = createRedisModel({ clock, programs: stateRedisPrograms });
  let calls = 0;
  let seed = 0;
  return {
    clock,
    model,
    get calls() {
      return calls;
    },
    async replica(faults: ModelFaults = {}): Promise<TestReplica> {
      const server = model.connect(faults);
      const counted = {
        ...server,
        get state() {
          return server.state;
        },
        eval: (...args: Parameters<typeof server.eval>) => {
          calls++;
          return server.eval(...args);
        },
      };
      const replica = cleanup.use(testReplica(counted, clock, ++seed));
      await clock.advance(0);
      return replica;
    },
    stored: () => new Map(model.data.get(KEYS.pods)?.type === 'hash' ? model.data.hash(KEYS.pods) : []),
    buried: () => [...(model.data.get(KEYS.gone) === undefined ? [] : model.data.zset(KEYS.gone).keys())],
  };
}

test('a new leader knows what its predecessor kept', async () => {
  const play = stage();
  const [one, two] = [await play.replica(), await play.replica()];
  const first = await one.begin(1);
  for (let i = 0; i < 450; i++) first.state.keep(pod(`u${i}`), record(1, `h${i}`));
  first.state.keep(pod('u3'), { ...record(1, 'h3'), published: { restarts: { app: 4 } } });
  await play.clock.advance(1);
  expect(play.stored().get('u449')).toBe('3 {"h":"h449","a":"x","e":1}');
  await first.state[Symbol.asyncDispose]();
  const second = await two.begin(2);
  expect(second.state.read(pod('u3'))).toEqual({ ...record(1, 'h3'), published: { restarts: { app: 4 } } });
  expect(second.state.read(pod('u449'))).toEqual(record(1, 'h449'));
  expect(second.state.read(pod('none'))).toBe(undefined);
  await second.state[Symbol.asyncDispose]();
});

test('a take-over with a warm copy is one request', async () => {
  const play = stage();
  const [one, two] = [await play.replica(), await play.replica()];
  const first = await one.begin(1);
  for (let i = 0; i < 1200; i++) first.state.keep(pod(`u${i}`), record(1, `h${i}`));
  await play.clock.advance(10);
  await first.state[Symbol.asyncDispose]();
  const before = play.calls;
  const second = await two.begin(2);
  expect(play.calls - before).toBe(1);
  expect(second.state.read(pod('u1199'))).toEqual(record(1, 'h1199'));
  // And a replica that has just started reads it all.
  await second.state[Symbol.asyncDispose]();
  const three = await play.replica();
  const third = await three.begin(3);
  expect(third.state.read(pod('u1199'))).toEqual(record(1, 'h1199'));
  await third.state[Symbol.asyncDispose]();
});

test('the same again, and another epoch alone, is not written', async () => {
  const play = stage();
  const { state } = await (await play.replica()).begin(1);
  state.keep(pod('u1'), record(1, 'h1'));
  await play.clock.advance(1);
  const before = play.calls;
  state.keep(pod('u1'), record(1, 'h1'));
  state.keep(pod('u1'), record(2, 'h1'));
  await play.clock.advance(1);
  expect(play.calls).toBe(before);
  await state[Symbol.asyncDispose]();
});

test('a leader that is told of a higher epoch gives up its term, and writes nothing', async () => {
  const play = stage();
  const [one, two] = [await play.replica(), await play.replica()];
  const first = await one.begin(1);
  const second = await two.begin(2);
  second.state.keep(pod('u1'), record(2, 'new'));
  await play.clock.advance(1);
  first.state.keep(pod('u1'), record(1, 'stale'));
  await play.clock.advance(1);
  expect(first.term.end).toEqual({
    end: 'fenced',
    detail: 'the shared pod state was claimed with epoch 2 by replica-2_-_boot',
    stands: 2,
  });
  expect(play.stored().get('u1')).toContain('"new"');
  expect(await one.metric('zonelet_fenced_writes_total')).toBe(1);
  await first.state[Symbol.asyncDispose]();
  await second.state[Symbol.asyncDispose]();
});

test('a leader that has nothing to write learns of a higher epoch too', async () => {
  const play = stage();
  const [one, two] = [await play.replica(), await play.replica()];
  const first = await one.begin(1);
  const second = await two.begin(2);
  await play.clock.advance(10_001);
  expect(first.term.end?.end).toBe('fenced');
  expect(second.term.end).toBe(undefined);
  await first.state[Symbol.asyncDispose]();
  await second.state[Symbol.asyncDispose]();
});

test('a term that is over by its own clock sends nothing', async () => {
  const play = stage();
  const { term, state } = await (await play.replica()).begin(1);
  term.over = true;
  const before = play.calls;
  state.keep(pod('u1'), record(1, 'h1'));
  await play.clock.advance(60_000);
  expect(play.calls).toBe(before);
  await state[Symbol.asyncDispose]();
});

test('a server that is away holds nobody up, and has everything once it is back', async () => {
  const play = stage();
  play.model.stop();
  const one = await play.replica();
  const begun = play.clock.monotonic();
  const { term, state } = await one.begin(1);
  state.keep(pod('u1'), record(1, 'h1'));
  expect(await state.intend('u2')).toBe('go');
  expect(play.clock.monotonic()).toBe(begun);
  expect(state.read(pod('u1'))).toEqual(record(1, 'h1'));
  await play.clock.advance(600_000);
  expect(term.end).toBe(undefined);
  play.model.start();
  await play.clock.advance(1_000);
  expect([...play.stored().keys()]).toEqual(expect.arrayContaining(['u1', 'u2']));
  expect(one.logged.filter((line) => line.includes('is not shared'))).toHaveLength(1);
  expect(one.logged.at(-1)).toMatch(/^shares the pod state/);
  await state[Symbol.asyncDispose]();
});

test('a server that does not answer costs a take-over a quarter of a second, and only the first create its patience', async () => {
  const play = stage();
  let isFrozen = true;
  const one = await play.replica({ loseRequest: () => isFrozen });
  const beginning = one.begin(1);
  await play.clock.advance(250);
  const { state } = await beginning;
  expect(await state.intend('u1')).toBe('go');
  isFrozen = false;
  await play.clock.advance(2_000);
  const intending = state.intend('u2');
  isFrozen = true;
  await play.clock.advance(1_250);
  expect(await intending).toBe('go');
  expect(await state.intend('u3')).toBe('go');
  await state[Symbol.asyncDispose]();
});

test('what is kept while the store is still being read stands, and so does what is read', async () => {
  const play = stage();
  const first = await (await play.replica()).begin(1);
  for (let i = 0; i < 1200; i++) first.state.keep(pod(`u${i}`), record(1, `h${i}`));
  await play.clock.advance(10);
  first.term.lost.abort();
  await first.state[Symbol.asyncDispose]();
  // Three pages, each 200 ms.
  const two = await play.replica({ latencyMs: () => 100 });
  const beginning = two.begin(2);
  await play.clock.advance(250);
  const { state } = await beginning;
  state.keep(pod('u1'), record(2, 'new'));
  state.keep(pod('mine'), record(2, 'mine'));
  await play.clock.advance(5_000);
  expect(['u0', 'u1', 'u2', 'mine', 'u1199'].map((uid) => state.read(pod(uid))?.handle)).toEqual([
    'h0',
    'new',
    'h2',
    'mine',
    'h1199',
  ]);
  expect(play.stored().get('u1')).toContain('"new"');
  expect(play.stored().has('mine')).toBe(true);
  expect(play.stored().size).toBe(5 + 1201);
  await play.clock.advance(0);
  const ending = state[Symbol.asyncDispose]();
  await play.clock.advance(200);
  await ending;
});

test('a store that is away for long does not make the leader remember every pod that there was', async () => {
  const play = stage();
  play.model.stop();
  const one = await play.replica();
  const { state } = await one.begin(1);
  for (let i = 0; i < 30_000; i++) {
    state.keep(pod(`u${i}`), record(1, `h${i}`));
    state.bury(`u${i}`);
    state.forget(`u${i}`);
  }
  state.keep(pod('alive'), record(1, 'h'));
  play.model.start();
  await play.clock.advance(10_000);
  expect([...play.stored().keys()].filter((uid) => !uid.startsWith('#'))).toEqual(['alive']);
  expect(play.buried()).toHaveLength(20_000);
  // The latest of them.
  expect(await state.intend('u29999')).toBe('gone');
  await state[Symbol.asyncDispose]();
});

test('what was kept last is written at the end of a term, unless that takes long', async () => {
  const play = stage();
  let isFrozen = false;
  const one = await play.replica({ loseRequest: () => isFrozen });
  const first = await one.begin(1);
  first.state.keep(pod('u1'), record(1, 'h1'));
  await first.state[Symbol.asyncDispose]();
  expect(play.stored().has('u1')).toBe(true);
  const second = await one.begin(2);
  second.state.keep(pod('u2'), record(2, 'h2'));
  isFrozen = true;
  const ending = second.state[Symbol.asyncDispose]();
  await play.clock.advance(200);
  await ending;
  expect(play.stored().has('u2')).toBe(false);
});

test('a store that was emptied is written anew by the leader, and its followers see it', async () => {
  const play = stage();
  const [one, two] = [await play.replica(), await play.replica()];
  const first = await one.begin(1);
  for (let i = 0; i < 300; i++) first.state.keep(pod(`u${i}`), record(1, `h${i}`));
  await play.clock.advance(1);
  play.model.flush();
  await play.clock.advance(10_100);
  expect(play.stored().has('u299')).toBe(true);
  expect(await one.metric('zonelet_state_rebuilds_total')).toBe(1);
  expect(one.logged.filter((line) => line.startsWith('the shared pod state was lost'))).toHaveLength(1);
  await first.state[Symbol.asyncDispose]();
  const second = await two.begin(2);
  expect(second.state.read(pod('u299'))).toEqual(record(1, 'h299'));
  expect(first.term.end).toBe(undefined);
  await second.state[Symbol.asyncDispose]();
});

test('a store that went back to an older copy of itself gets what it lacks, and what was dropped stays dropped', async () => {
  const play = stage();
  const one = await play.replica();
  const { state } = await one.begin(1);
  state.keep(pod('u1'), record(1, 'h1'));
  state.keep(pod('u2'), record(1, 'h2'));
  await play.clock.advance(1);
  const old = new Map(play.model.data.hash(KEYS.pods));
  state.keep(pod('u3'), record(1, 'h3'));
  await play.clock.advance(1);
  state.keep(pod('u1'), record(1, 'changed'));
  await play.clock.advance(1);
  play.model.data.set(KEYS.pods, { type: 'hash', fields: old });
  state.forget('u2');
  await play.clock.advance(10_100);
  expect(play.stored().get('u1')).toContain('changed');
  expect(play.stored().has('u3')).toBe(true);
  expect(play.stored().has('u2')).toBe(false);
  await state[Symbol.asyncDispose]();
});

test('what is not ours is left alone, said once with what to do, and taken into use once it is gone', async () => {
  const play = stage();
  play.model.data.set(KEYS.pods, { type: 'string', text: 'precious' });
  const one = await play.replica();
  const { term, state } = await one.begin(1);
  state.keep(pod('u1'), record(1, 'h1'));
  expect(await state.intend('u2')).toBe('go');
  await play.clock.advance(60_000);
  expect(play.model.data.get(KEYS.pods)).toEqual({ type: 'string', text: 'precious' });
  const said = one.logged.filter((line) => line.includes('FOREIGN'));
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(
    `${KEYS.pods} holds a string that is not Zonelet's: delete it, or set another redis.keyPrefix`,
  );
  play.model.data.delete(KEYS.pods);
  await play.clock.advance(10_000);
  expect(play.stored().has('u1')).toBe(true);
  expect(term.end).toBe(undefined);
  await state[Symbol.asyncDispose]();
});

test('a follower that missed a message reads again', async () => {
  const play = stage();
  let isDeaf = false;
  const [one, two] = [await play.replica(), await play.replica({ loseMessage: () => isDeaf })];
  const first = await one.begin(1);
  first.state.keep(pod('u1'), record(1, 'h1'));
  await play.clock.advance(1);
  isDeaf = true;
  first.state.forget('u1');
  first.state.keep(pod('u2'), record(1, 'h2'));
  await play.clock.advance(1);
  isDeaf = false;
  first.state.keep(pod('u3'), record(1, 'h3'));
  await play.clock.advance(1);
  // From memory: Redis is away when the follower leads.
  play.model.stop();
  first.term.lost.abort();
  await first.state[Symbol.asyncDispose]();
  const second = await two.begin(2);
  expect(['u1', 'u2', 'u3'].map((uid) => second.state.read(pod(uid))?.handle)).toEqual([undefined, 'h2', 'h3']);
  await second.state[Symbol.asyncDispose]();
});

test('a buried UID is not created again by anybody', async () => {
  const play = stage();
  const [one, two] = [await play.replica(), await play.replica()];
  const first = await one.begin(1);
  expect(await first.state.intend('u1')).toBe('go');
  first.state.keep(pod('u1'), record(1, 'h1'));
  first.state.bury('u1');
  first.state.forget('u1');
  await play.clock.advance(1);
  await first.state[Symbol.asyncDispose]();
  expect(play.buried()).toEqual(['u1']);
  const second = await two.begin(2);
  expect(await second.state.intend('u1')).toBe('gone');
  expect(second.state.read(pod('u1'))).toBe(undefined);
  expect(await second.state.intend('u2')).toBe('go');
  expect(second.state.read(pod('u2'))).toEqual({ epoch: 2, intended: true });
  await second.state[Symbol.asyncDispose]();
  await play.clock.advance(25 * 3_600_000);
  const third = await one.begin(3);
  await third.state.intend('u3');
  expect(play.buried()).toEqual([]);
  await third.state[Symbol.asyncDispose]();
});

test('what neither API nor backend knows goes away; what is not known of the others is added', async () => {
  const play = stage();
  const { state } = await (await play.replica()).begin(1);
  for (const uid of ['u1', 'u2', 'u3']) state.keep(pod(uid), record(1, uid));
  expect(await Promise.race([state.intend('u4'), play.clock.advance(1).then(() => 'go')])).toBe('go');
  state.complete([{ uid: 'u1' }, { uid: 'u4', record: record(1, 'h4') }, { uid: 'u5', record: record(1, 'h5') }]);
  await play.clock.advance(1);
  const uids = [...play.stored().keys()].filter((uid) => !uid.startsWith('#'));
  expect(uids.sort()).toEqual(['u1', 'u4', 'u5']);
  expect(state.read(pod('u4'))?.handle).toBe('h4');
  await state[Symbol.asyncDispose]();
});

test('the state of a zone that is taken away goes with it; where Redis is away it is said what is left', async () => {
  const play = stage();
  const one = await play.replica();
  const { term, state } = await one.begin(1);
  state.keep(pod('u1'), record(1, 'h1'));
  await state[Symbol.asyncDispose]();
  play.model.stop();
  await one.store.clear(term);
  expect(one.logged.at(-1)).toContain(`"left":["${KEYS.pods}","${KEYS.gone}"]`);
  play.model.start();
  await one.store.clear(term);
  expect(play.stored().size + play.buried().length).toBe(0);
});

test('a lost reply does no harm: what may have been written is written again', async () => {
  const play = stage();
  let losing = 0;
  const one = await play.replica({ loseReply: () => losing-- > 0 });
  const { state, term } = await one.begin(1);
  losing = 1;
  state.keep(pod('u1'), record(1, 'h1'));
  await play.clock.advance(5_000);
  state.keep(pod('u2'), record(1, 'h2'));
  await play.clock.advance(5_000);
  expect([...play.stored().keys()]).toEqual(expect.arrayContaining(['u1', 'u2']));
  expect(term.end).toBe(undefined);
  await state[Symbol.asyncDispose]();
  await settle();
});
