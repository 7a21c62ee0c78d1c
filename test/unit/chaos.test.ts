import { describe, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/commands/demo/journal.ts';
import type { Lease, Node, Pod } from '../../src/kube/types.ts';
import { EPOCH_ANNOTATION, SET_LABEL } from '../../src/node/names.ts';
import { readArguments } from '../chaos/arguments.ts';
import { dice } from '../chaos/dice.ts';
import { evidence } from '../chaos/evidence.ts';
import { aboveBounds, score } from '../chaos/score.ts';
import type { Seen } from '../scenarios/support/history.ts';
import { history } from '../support/recorded-history.ts';

const UID = '11111111-2222-4333-8444-555555555555';
const BEGIN = Date.UTC(2026, 0, 1);

function seen<T>(seconds: number, object: T): Seen<T> {
  return { t: BEGIN + seconds * 1000, type: 'there', object };
}

function pod(seconds: number, restartCount: number): Seen<Pod> {
  const container = { name: 'app', restartCount, image: '', imageID: '', ready: true };
  return seen(seconds, { metadata: { name: 'a', uid: UID }, status: { containerStatuses: [container] } });
}

function node(seconds: number, epoch: number, status = 'True'): Seen<Node> {
  const annotations = { [EPOCH_ANNOTATION]: String(epoch) };
  const metadata = { name: 'demo-a', labels: { [SET_LABEL]: 'demo' }, annotations };
  return seen(seconds, { metadata, status: { conditions: [{ type: 'Ready', status }] } });
}

function lease(seconds: number, epoch: number): Seen<Lease> {
  const renewTime = new Date(BEGIN + seconds * 1000).toISOString();
  return seen(seconds, { metadata: { name: 'zonelet-demo-a' }, spec: { leaseTransitions: epoch, renewTime } });
}

const create = (seconds: number, epoch: number): JournalEntry => ({
  t: BEGIN + seconds * 1000,
  op: 'create',
  uid: UID,
  name: 'default/a',
  epoch,
  outcome: 'accepted',
});
const circumstances = {
  set: 'demo',
  zones: [{ name: 'a', nodeName: 'demo-a' }],
  outages: [{ from: BEGIN + 4_000, until: BEGIN + 7_000 }],
  now: BEGIN + 100_000,
};

describe('the score of chaos', () => {
  test('counts what went wrong', () => {
    const recorded = history({
      pods: [pod(1, 2), pod(2, 1)],
      nodes: [node(0, 1), node(12, 2), node(20, 2, 'False'), node(22, 2)],
      leases: [lease(2, 1), lease(11, 2)],
    });
    const counts = score(new Map([['a', [create(1, 2), create(2, 1)]]]), recorded, circumstances);
    expect(counts).toEqual({
      staleWritesAccepted: 1,
      staleWritesRefused: 0,
      duplicateCreates: 1,
      restarts: 2,
      regressedStatuses: 1,
      secondsNotReady: 2,
      // From the renewal at 2 s to the claim at 12 s, without the outage of 3 s.
      slowestTakeoverMs: 7_000,
    });
    expect(aboveBounds(counts, 6_000)).toEqual([
      'staleWritesAccepted: 1',
      'duplicateCreates: 1',
      'restarts: 2',
      'regressedStatuses: 1',
      'secondsNotReady: 2',
    ]);
  });

  test('is within its bounds when nothing did, and not with a take-over that takes too long', () => {
    const quiet = score(new Map(), history({ nodes: [node(0, 1)], leases: [lease(0, 1)] }), circumstances);
    expect(aboveBounds(quiet, 6_000)).toEqual([]);
    const slow = history({ nodes: [node(0, 1), node(40, 2)], leases: [lease(0, 1), lease(39, 2)] });
    expect(aboveBounds(score(new Map(), slow, circumstances), 6_000)).toEqual(['slowestTakeoverMs: 37000']);
  });
});

test('evidence is what was recorded of the pod that a violation names, in order', () => {
  const journals = new Map([['a', [create(3, 7)]]]);
  const violation = { what: 'I3', evidence: `a (${UID}): restarts fell from 2 to 1` };
  const lines = evidence(violation, journals, history({ pods: [pod(1, 2), pod(5, 1)] }));
  expect(lines.map((line) => line.slice(line.indexOf(' ') + 1))).toEqual([
    'API: there at , without a phase, restarts 2',
    'backend a: create with epoch 7, accepted',
    'API: there at , without a phase, restarts 1',
  ]);
});

describe('the command line of chaos', () => {
  const read = (...args: string[]) => readArguments(args, { anySeed: () => 77, hasRedis: false });

  test('has defaults, and a seed of its own every time', () => {
    expect(read()).toMatchObject({ rounds: 8, seed: 77, on: 'embedded', election: 'lease', pods: 9, json: false });
    expect(read('--seed', '5', '--on', 'kubernetes', '--json')).toMatchObject({
      seed: 5,
      on: 'kubernetes',
      json: true,
    });
    expect(read('--help')).toBeUndefined();
  });

  test('says what is wrong with it', () => {
    expect(read('--rounds', '0')).toBe('--rounds: not a number above 0: "0"');
    expect(read('--on', 'mars')).toContain('--on: embedded or kubernetes');
    expect(read('--election', 'coin')).toContain('--election: ');
    expect(read('--election', 'redis')).toContain('redis-server');
    expect(read('--fence', 'off')).toContain('--fence: warn or enforce');
    expect(read('--fence', 'enforce')).toContain('use --on kubernetes');
    expect(read('--fence', 'enforce', '--on', 'kubernetes')).toMatchObject({ fence: 'enforce' });
    expect(read('--nonsense')).toContain('--nonsense');
  });
});

test('the same seed gives the same choices, another one others', () => {
  const choices = (seed: number): number[][] => {
    const { shuffle, between } = dice(seed);
    return [shuffle([1, 2, 3, 4, 5, 6, 7, 8]), Array.from({ length: 8 }, () => between(1, 1000))];
  };
  expect(choices(1)).toEqual(choices(1));
  expect(choices(1)).not.toEqual(choices(2));
  expect(choices(1)[0]?.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
});
