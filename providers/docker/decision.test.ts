import { expect, test } from 'vitest';
import type { Container, Pod } from '../../src/kube/types.ts';
import { decide } from './decision.ts';
import type { PodState, RunState } from './pod-state.ts';

const T0 = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

function run(container: string, more: Partial<RunState> = {}): RunState {
  return {
    id: `${container}-${more.attempt ?? 0}`,
    container,
    role: 'container',
    attempt: 0,
    backOffMs: 0,
    image: 'i:1',
    imageID: 'sha256:0',
    tty: false,
    messageFrom: 'File',
    createdAt: at(0),
    phase: 'running',
    startedAt: at(0),
    exitCode: 0,
    oomKilled: false,
    error: '',
    ...more,
  };
}

const ended = (container: string, exitCode: number, more: Partial<RunState> = {}): RunState =>
  run(container, { phase: 'ended', exitCode, finishedAt: at(10), ...more });

function state(runs: readonly RunState[], more: Partial<PodState> = {}): PodState {
  return {
    ref: { uid: 'u', namespace: 'n', name: 'p' },
    owner: 'o',
    zone: 'z',
    epoch: 1,
    hash: 'h',
    revision: 0,
    sandbox: { id: 's', running: true, started: true, createdAt: at(0), startedAt: at(0), addresses: [] },
    filesFolder: '/files',
    runs: new Map(Map.groupBy(runs, ({ container }) => container)),
    volumes: [],
    ...more,
  };
}

const container = (name: string, more: Partial<Container> = {}): Container => ({ name, image: 'i:1', ...more });
const pod = (spec: Partial<NonNullable<Pod['spec']>>): Pod => ({ spec: { containers: [container('main')], ...spec } });
const words = (s: PodState, p: Pod, seconds = 10): string[] =>
  decide(s, p, T0 + seconds * 1000).map((action) => {
    if (action.do === 'run') return `run ${action.container.name} ${action.attempt} then ${action.backOffMs}`;
    if (action.do === 'stop' || action.do === 'start') return `${action.do} ${action.run.id}`;
    return action.do === 'look-again' ? `look again in ${action.inMs}` : action.do;
  });

test('runs what has not run, and leaves what runs', () => {
  expect(words(state([]), pod({}))).toEqual(['run main 0 then 0']);
  expect(words(state([run('main')]), pod({}))).toEqual([]);
  expect(words(state([run('main', { phase: 'made' })]), pod({}))).toEqual(['start main-0']);
});

test('restarts by the policy, the first time at once', () => {
  expect(words(state([ended('main', 0)]), pod({}))).toEqual(['run main 1 then 10000']);
  expect(words(state([ended('main', 1)]), pod({ restartPolicy: 'OnFailure' }))).toEqual(['run main 1 then 10000']);
  expect(words(state([ended('main', 0)]), pod({ restartPolicy: 'OnFailure' }))).toEqual([]);
  expect(words(state([ended('main', 1)]), pod({ restartPolicy: 'Never' }))).toEqual([]);
  const unstarted = run('main', { phase: 'failed-to-start', exitCode: 127, createdAt: at(10) });
  expect(words(state([unstarted]), pod({ restartPolicy: 'Never' }))).toEqual([]);
  expect(words(state([unstarted]), pod({}))).toEqual(['run main 1 then 10000']);
});

test('backs off further each time, up to five minutes, and forgets it after ten minutes of running', () => {
  const again = (backOffMs: number, seconds: number): string[] =>
    words(state([ended('main', 1, { attempt: 4, backOffMs })]), pod({}), seconds);
  expect(again(10_000, 12)).toEqual(['look again in 8000']);
  expect(again(10_000, 20)).toEqual(['run main 5 then 20000']);
  expect(again(160_000, 170)).toEqual(['run main 5 then 300000']);
  expect(again(300_000, 310)).toEqual(['run main 5 then 300000']);
  const long = ended('main', 1, { attempt: 4, backOffMs: 300_000, finishedAt: at(600) });
  expect(words(state([long]), pod({}), 600)).toEqual(['run main 5 then 10000']);
});

test('init containers one after the other; those that run beside before what comes after them', () => {
  const p = pod({
    initContainers: [container('a'), container('b', { restartPolicy: 'Always' }), container('c')],
  });
  expect(words(state([]), p)).toEqual(['run a 0 then 0']);
  const a = ended('a', 0, { role: 'init' });
  expect(words(state([run('a', { role: 'init' })]), p)).toEqual([]);
  expect(words(state([a]), p)).toEqual(['run b 0 then 0']);
  const b = run('b', { role: 'sidecar' });
  expect(words(state([a, b]), p)).toEqual(['run c 0 then 0']);
  expect(words(state([a, b, ended('c', 0, { role: 'init' })]), p)).toEqual(['run main 0 then 0']);
  // Once the start was over an init container is history.
  expect(words(state([b, run('main')]), p)).toEqual([]);
});

test('an init container that failed runs again unless the pod says never', () => {
  const failed = state([ended('a', 1, { role: 'init' })]);
  expect(words(failed, pod({ initContainers: [container('a')] }))).toEqual(['run a 1 then 10000']);
  expect(words(failed, pod({ initContainers: [container('a')], restartPolicy: 'Never' }))).toEqual([]);
});

test('those that run beside end with the others', () => {
  const p = pod({ initContainers: [container('b', { restartPolicy: 'Always' })], restartPolicy: 'Never' });
  expect(words(state([run('b', { role: 'sidecar' }), ended('main', 0)]), p)).toEqual(['stop b-0']);
  expect(words(state([ended('b', 0, { role: 'sidecar' }), ended('main', 0)]), p)).toEqual([]);
});

test('a new image ends the old run and begins another, whatever the policy', () => {
  const p = pod({ containers: [container('main', { image: 'i:2' })], restartPolicy: 'Never' });
  expect(words(state([run('main')]), p)).toEqual(['stop main-0']);
  expect(words(state([ended('main', 143)], { revision: 1, revisedAt: at(9) }), p)).toEqual(['run main 1 then 0']);
  // It had ended before: that is no reason to run it again.
  expect(words(state([ended('main', 0)], { revision: 1, revisedAt: at(11) }), p)).toEqual([]);
});

test('a pod that was told to stop starts nothing; those beside are stopped last, and all at the end', () => {
  const runs = [run('b', { role: 'sidecar' }), run('main')];
  const p = pod({ initContainers: [container('b', { restartPolicy: 'Always' })] });
  const stopped = (left: readonly RunState[]): PodState => state(left, { killAtMs: T0 + 30_000 });
  expect(words(stopped(runs), p)).toEqual(['stop main-0', 'look again in 20000']);
  expect(words(stopped([run('b', { role: 'sidecar' }), ended('main', 0)]), p)).toEqual([
    'stop b-0',
    'look again in 20000',
  ]);
  expect(words(stopped(runs), p, 30)).toEqual(['stop b-0', 'stop main-0']);
  expect(words(stopped([ended('main', 0)]), p)).toEqual([]);
});

test('a sandbox that is no more is started again once nothing of it runs, and only for what is to run', () => {
  const sandbox = { id: 's', running: false, started: true, createdAt: at(0), addresses: [] };
  expect(words(state([run('main')], { sandbox }), pod({}))).toEqual(['stop main-0']);
  expect(words(state([ended('main', 0)], { sandbox }), pod({}))).toEqual(['start-sandbox']);
  expect(words(state([ended('main', 0)], { sandbox }), pod({ restartPolicy: 'Never' }))).toEqual([]);
});
