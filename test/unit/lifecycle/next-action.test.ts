/** What is to be done next, decided from spec, record and time alone. */
import { describe, expect, it } from 'vitest';
import { backOff, durationText } from '../../../src/lifecycle/back-off.ts';
import { nextAction, nextTime } from '../../../src/lifecycle/next-action.ts';
import { type ContainerRecord, type LifeRecord, newLifeRecord, type PodSpec } from '../../../src/lifecycle/record.ts';

const SPEC: PodSpec = {
  initContainers: [
    { name: 'init', image: 'i' },
    { name: 'side', image: 'i', restartPolicy: 'Always', startupProbe: { tcpSocket: { port: 1 } } },
    { name: 'late', image: 'i' },
  ],
  containers: [
    { name: 'a', image: 'i' },
    { name: 'b', image: 'i' },
  ],
};
const ENDED = (exitCode: number) => ({ phase: 'ended', end: { terminated: { exitCode } } }) as const;
const RUNS = { phase: 'running', startedAtMs: 0 } as const;

type Given = Record<string, Partial<ContainerRecord>>;

function record(spec: PodSpec, given: Given): LifeRecord {
  const made = newLifeRecord(spec, 0);
  for (const container of made.containers) Object.assign(container, given[container.name]);
  return made;
}

function next(given: Given, now = 0, spec = SPEC, change: Partial<LifeRecord> = {}): string {
  const action = nextAction(spec, Object.assign(record(spec, given), change), now);
  if (action === undefined) return 'nothing';
  return action.do === 'fail' ? `fail ${action.reason}` : `${action.do} ${action.container.name}`;
}

// https://kubernetes.io/docs/concepts/workloads/pods/init-containers/ : "run to completion, in order".
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/ : the next init container begins once the
// sidecar has started, which is when its startup probe succeeds.
describe('the start', () => {
  it.each<[string, Given, string]>([
    ['begins with the first init container', {}, 'start init'],
    ['waits for it', { init: RUNS }, 'nothing'],
    ['goes on when it has ended well', { init: ENDED(0) }, 'start side'],
    ['waits for the startup probe of a sidecar', { init: ENDED(0), side: RUNS }, 'nothing'],
    ['goes on once that has succeeded', { init: ENDED(0), side: { ...RUNS, started: true } }, 'start late'],
    ['waits for the last init container', { init: ENDED(0), side: { ...RUNS, started: true }, late: RUNS }, 'nothing'],
    [
      'is not held up by a sidecar that crashed after the next had begun',
      { init: ENDED(0), side: { phase: 'resting', restartAtMs: 9 }, late: ENDED(0) },
      'nothing',
    ],
    [
      'starts the others when all is done',
      { init: ENDED(0), side: { ...RUNS, started: true }, late: ENDED(0) },
      'start a',
    ],
    [
      'starts them one after the other',
      { init: ENDED(0), side: { ...RUNS, started: true }, late: ENDED(0), a: RUNS },
      'start b',
    ],
    [
      'waits for a postStart hook before the next one',
      { init: ENDED(0), side: { ...RUNS, started: true }, late: ENDED(0), a: { ...RUNS, postStart: true } },
      'nothing',
    ],
    [
      'does not wait for a sidecar any more once the others run',
      { init: ENDED(0), side: RUNS, late: ENDED(0), a: RUNS },
      'start b',
    ],
  ])('%s', (_what, given, expected) => {
    expect(next(given)).toBe(expected);
  });
});

describe('restarts', () => {
  const up: Given = { init: ENDED(0), side: { ...RUNS, started: true }, late: ENDED(0), a: RUNS, b: RUNS };

  it.each<[string, Given, number, string]>([
    ['nothing before its time', { ...up, a: { phase: 'resting', restartAtMs: 10 } }, 9, 'nothing'],
    ['a container at its time', { ...up, a: { phase: 'resting', restartAtMs: 10 } }, 10, 'start a'],
    ['a sidecar at its time', { ...up, side: { phase: 'resting', restartAtMs: 10 } }, 10, 'start side'],
    ['what a liveness probe condemned', { ...up, a: { ...RUNS, unhealthy: 'liveness' } }, 0, 'stop a'],
    ['what has another image than is wanted', { ...up, b: { ...RUNS, image: 'old' } }, 0, 'stop b'],
  ])('%s', (_what, given, now, expected) => {
    expect(next(given, now)).toBe(expected);
  });

  it('wakes for the first of them', () => {
    const given = record(SPEC, {
      ...up,
      a: { phase: 'resting', restartAtMs: 70 },
      b: { phase: 'resting', restartAtMs: 30 },
    });
    expect(nextTime(SPEC, given)).toBe(30);
    expect(nextTime(SPEC, record(SPEC, up))).toBeUndefined();
  });

  // https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy : 10 s, 20 s, 40 s, ..., capped at
  // 300 s, reset after 10 minutes without problems.
  it.each([
    [0, 1_000, 0],
    [1, 1_000, 10_000],
    [2, 1_000, 20_000],
    [3, 1_000, 40_000],
    [6, 1_000, 300_000],
    [40, 1_000, 300_000],
    [6, 600_000, 0],
  ])('after %i ends in a row and a run of %i ms wait %i ms', (crashes, ranMs, delayMs) => {
    expect(backOff(crashes, ranMs).delayMs).toBe(delayMs);
  });

  it.each([
    [10_000, '10s'],
    [80_000, '1m20s'],
    [300_000, '5m0s'],
  ])('%i ms read as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});

// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#pod-termination : sidecars end after the main
// containers, in the reverse of their order.
describe('the end', () => {
  const spec: PodSpec = {
    initContainers: [
      { name: 's1', restartPolicy: 'Always' },
      { name: 's2', restartPolicy: 'Always' },
    ],
    containers: [{ name: 'a' }],
  };
  const stopping = (killAtMs = 1000) => ({
    ...RUNS,
    stop: { why: 'pod' as const, killAtMs, atOnce: false, preStop: false, asked: false, killed: false },
  });
  const asked = (killAtMs = 1000) => ({ ...RUNS, stop: { ...stopping(killAtMs).stop, asked: true } });
  const gone = ENDED(143);
  const deleting = { deleting: true, killAtMs: 1000 };

  it.each<[string, Given, number, string]>([
    ['tells all of them first', { s1: RUNS, s2: RUNS, a: RUNS }, 0, 'stop s1'],
    ['asks the main one first', { s1: stopping(), s2: stopping(), a: stopping() }, 0, 'ask a'],
    ['waits for it', { s1: stopping(), s2: stopping(), a: asked() }, 0, 'nothing'],
    ['then asks the last sidecar', { s1: stopping(), s2: stopping(), a: gone }, 0, 'ask s2'],
    ['then the first', { s1: stopping(), s2: gone, a: gone }, 0, 'ask s1'],
    ['kills what was asked when its time is over', { s1: stopping(), s2: stopping(), a: asked() }, 1000, 'ask s1'],
    ['asks before it kills', { s1: gone, s2: gone, a: asked() }, 1000, 'kill a'],
    [
      'waits for a preStop hook',
      { s1: gone, s2: gone, a: { ...RUNS, stop: { ...stopping().stop, preStop: true } } },
      0,
      'nothing',
    ],
    [
      'does not ask when there is no time at all',
      { s1: gone, s2: gone, a: { ...RUNS, stop: { ...stopping(0).stop, atOnce: true } } },
      0,
      'kill a',
    ],
    ['starts nothing that waits', { s1: { phase: 'resting', restartAtMs: 0 }, s2: gone, a: gone }, 0, 'give-up s1'],
  ])('%s', (_what, given, now, expected) => {
    expect(next(given, now, spec, deleting)).toBe(expected);
  });

  it('comes for sidecars when the others have ended', () => {
    const never = { ...spec, restartPolicy: 'Never' };
    expect(next({ s1: RUNS, s2: RUNS, a: RUNS }, 0, never)).toBe('nothing');
    expect(next({ s1: RUNS, s2: RUNS, a: ENDED(0) }, 0, never)).toBe('stop s1');
  });

  it('comes when an init container has failed for good', () => {
    const failing = { initContainers: [...(spec.initContainers ?? []), { name: 'i' }], containers: spec.containers };
    expect(next({ s1: RUNS, s2: RUNS, i: ENDED(1) }, 0, failing)).toBe('stop s1');
  });
});

// https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#detailed-behavior : activeDeadlineSeconds counts
// from the start of the pod, its init containers included.
describe('the deadline', () => {
  const spec: PodSpec = { containers: [{ name: 'a' }], activeDeadlineSeconds: 5 };

  it.each<[string, Given, number, string]>([
    ['not yet', { a: RUNS }, 4999, 'nothing'],
    ['passed', { a: RUNS }, 5000, 'fail DeadlineExceeded'],
    [
      'passed while it waits for a restart',
      { a: { phase: 'resting', restartAtMs: 9000 } },
      5000,
      'fail DeadlineExceeded',
    ],
    ['of no interest when it has ended', { a: ENDED(0) }, 9000, 'nothing'],
  ])('%s', (_what, given, now, expected) => {
    expect(next(given, now, spec)).toBe(expected);
  });

  it('wakes for it', () => {
    expect(nextTime(spec, record(spec, { a: RUNS }))).toBe(5000);
  });
});
