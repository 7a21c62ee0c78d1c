import { afterEach, describe, expect, test } from 'vitest';
import { formatContainedProcess, hasEnded, parseContainedProcess } from '../../../src/election/container-end.ts';
import { createPodWitness } from '../../../src/election/pod-witness.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { formatTime } from '../../../src/kube/micro-time.ts';
import { PODS } from '../../../src/kube/resources.ts';
import type { ContainerStatus, Pod } from '../../../src/kube/types.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { goodLink } from './cluster.ts';
import { ReplicaClock } from './replica-clock.ts';
import { type Replica, Stage } from './stage.ts';

const stop: AbortController[] = [];
afterEach(() => {
  for (const controller of stop.splice(0)) controller.abort();
});

function podOf(name: string, uid: string, status: Partial<ContainerStatus>[] = [], phase = 'Running'): Pod {
  return {
    metadata: { name, uid, namespace: 'default' },
    spec: { containers: [{ name: 'zonelet' }] },
    status: {
      phase,
      containerStatuses: status.map((each) => ({
        name: 'zonelet',
        image: 'i',
        imageID: 'i',
        ready: false,
        restartCount: 0,
        ...each,
      })),
    },
  };
}

const terminated = (atMs: number, reason = 'Error') => ({
  terminated: { exitCode: 137, reason, finishedAt: formatTime(atMs) },
});

describe('the status of a pod', () => {
  const aliveAt = Date.UTC(2026, 0, 1, 12, 0, 0, 400);
  const second = 1_000;
  const says = (status: Partial<ContainerStatus>[], phase?: string, container?: string): boolean =>
    hasEnded(podOf('r', 'u', status, phase), { container, aliveAt });

  test.each<[string, Partial<ContainerStatus>]>([
    ['terminated', { state: terminated(aliveAt + second) }],
    [
      'waiting to be started again',
      { state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: terminated(aliveAt + second) },
    ],
    [
      'running again',
      { state: { running: { startedAt: formatTime(aliveAt + 2 * second) } }, lastState: terminated(aliveAt + second) },
    ],
  ])('proves the end of a container that is %s', (_what, status) => {
    expect(says([status])).toBe(true);
  });

  test.each<[string, Partial<ContainerStatus>[], string?]>([
    ['the end of a container before, while the next one runs already', [{ state: terminated(aliveAt - second) }]],
    ['an end in the very second of a sign of life', [{ state: terminated(aliveAt) }]],
    [
      'a container that the kubelet found no trace of',
      [{ state: terminated(aliveAt + second, 'ContainerStatusUnknown') }],
    ],
    ['an end without a time', [{ state: { terminated: { exitCode: 1 } } }]],
    ['a phase that somebody wrote', [{ state: { running: {} } }], 'Failed'],
    ['nothing of containers', [], 'Failed'],
    ['the end of another container', [{ name: 'sidecar', state: terminated(aliveAt + second) }]],
  ])('proves nothing by %s', (_what, status, phase) => {
    expect(says(status, phase)).toBe(false);
  });

  test('of a pod with several containers counts for the one that was named, and for none when none was', () => {
    const pod = podOf('r', 'u', [{ state: { running: {} } }, { name: 'mesh', state: terminated(aliveAt + second) }]);
    const both = { ...pod, spec: { containers: [{ name: 'zonelet' }, { name: 'mesh' }] } };
    const ended = (container: string | undefined): boolean => hasEnded(both, { container, aliveAt });
    expect([ended('mesh'), ended('zonelet'), ended(undefined)]).toEqual([true, false, false]);
  });
});

test('what a process tells of itself is read again, cut to no earlier time, and nothing else is', () => {
  const told = parseContainedProcess(formatContainedProcess({ container: 'zonelet', aliveAt: 1_000.2 }));
  expect(told).toEqual({ container: 'zonelet', aliveAt: 1_001 });
  expect(
    parseContainedProcess(formatContainedProcess({ container: undefined, aliveAt: 5 }))?.container,
  ).toBeUndefined();
  expect(
    [undefined, '', '{}', '7', 'null', '{"aliveAt":"x"}', '{"aliveAt":1,"container":2}'].map(parseContainedProcess),
  ).toEqual(Array.from({ length: 7 }, () => undefined));
});

interface Play {
  readonly stage: Stage;
  readonly a: Replica;
  readonly b: Replica;
}

/** The replica a leads the zone; b looks at pods. */
async function play(client?: KubeClient, log: Logger = silentLogger): Promise<Play> {
  const stage = new Stage(['a']);
  const signal = new AbortController();
  stop.push(signal);
  const start = (name: string, uid: string): Replica => {
    const clock = new ReplicaClock(stage.clock);
    const witnessing = createPodWitness({
      client: client ?? stage.cluster.client(goodLink(), clock),
      namespace: 'default',
      container: undefined,
      clock,
      log,
    });
    const replica = stage.start(name, { homeZone: name, uid, witness: witnessing.witness });
    void witnessing.run(replica.election.candidates, signal.signal);
    return replica;
  };
  const a = start('a', 'uid-a');
  const b = start('b', 'uid-b');
  await stage.advance(10_000);
  expect(stage.leaders()).toEqual({ a: 'a' });
  return { stage, a, b };
}

/** As the kubelet of a machine whose clock is the test's would write it, a second after the death. */
async function killAndTell({ stage, a }: Play, pod: (diedAt: number) => Pod | undefined): Promise<void> {
  a.kill();
  const diedAt = stage.clock.now();
  await stage.advance(1_000);
  const told = pod(diedAt);
  if (told !== undefined) stage.cluster.put(PODS, told);
}

test("a killed leader whose container is shown as terminated is replaced within 2 s of that, and long before its lease's end", async () => {
  const on = await play();
  await killAndTell(on, (diedAt) => podOf('a', 'uid-a', [{ state: terminated(diedAt) }]));
  expect(await on.stage.until(() => on.b.acts('a'), 10_000)).toBeLessThan(2_000);
  expect(on.b.terms[0]).toMatchObject({ epoch: 2, cause: 'terminated' });
});

test.each<[string, (diedAt: number) => Pod | undefined]>([
  ['a missing pod', () => undefined],
  ['another pod of the same name', (diedAt) => podOf('a', 'uid-other', [{ state: terminated(diedAt) }])],
  ['a container that ended before this process began', () => podOf('a', 'uid-a', [{ state: terminated(0) }])],
  ['a phase', () => podOf('a', 'uid-a', [], 'Failed')],
])('%s proves nothing: the lease has to run out', async (_what, pod) => {
  const on = await play();
  await killAndTell(on, pod);
  expect(await on.stage.until(() => on.b.acts('a'), 10_000)).toBeGreaterThan(3_900);
  expect(on.b.terms[0]?.cause).toBe('expired');
});

test('no pod is looked at while leaders renew, and one that does renew keeps its zone whatever its pod says', async () => {
  const { stage, a, b } = await play();
  const reads = stage.cluster.reads;
  stage.cluster.put(PODS, podOf('a', 'uid-a', [{ state: terminated(stage.clock.now() + 5_000) }]));
  await stage.advance(30_000);
  expect(stage.cluster.reads).toBe(reads);
  expect(stage.acting('a')).toEqual([a]);
  expect([a.terms.length, b.terms.length]).toEqual([1, 0]);
});

test('without the permission to get pods it says so once, and waits for the lease', async () => {
  const warnings: string[] = [];
  const log = { ...silentLogger, warn: (_fields: object, text: string) => void warnings.push(text) } as Logger;
  let asked = 0;
  const client = {
    get() {
      asked++;
      return Promise.reject(new ZoneletError('Forbidden', 'pods "a" is forbidden'));
    },
  } as unknown as KubeClient;
  const { stage, a, b } = await play(client, log);
  a.kill();
  expect(await stage.until(() => b.acts('a'), 10_000)).toBeGreaterThan(4_900);
  expect(asked).toBeGreaterThan(1);
  // Twice a second at most, whatever wakes the campaign.
  expect(asked).toBeLessThan(11);
  expect(warnings.filter((text) => text.includes('permission to get pods'))).toHaveLength(1);
});
