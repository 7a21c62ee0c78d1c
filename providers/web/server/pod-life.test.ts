/** The order in which a pod's containers run, end and run again, on virtual time. */
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../src/kube/types.ts';
import type { RunEnd } from '../../../src/lifecycle/end.ts';
import type { RunListener } from '../../../src/lifecycle/life.ts';
import { seededRandom, VirtualClock } from '../../../test/support/virtual-clock.ts';
import { createPodLife } from './pod-life.ts';
import { newRecord, observationOf, type PodRecord } from './pod-record.ts';
import type { Run, Runtime } from './runtime.ts';

/** Runs nothing and writes down what it is asked. */
class Stage {
  readonly clock = new VirtualClock();
  record: PodRecord;
  readonly asked: string[] = [];
  readonly listeners = new Map<string, RunListener>();
  /** What a restarted backend finds. */
  lost = new Set<string>();
  changes = 0;
  kept: string[] = [];
  life;

  constructor(spec: Pod['spec']) {
    const pod: Pod = { metadata: { uid: 'u', namespace: 'n', name: 'p' }, spec: spec as NonNullable<Pod['spec']> };
    const ref = { uid: 'u', namespace: 'n', name: 'p' };
    this.record = newRecord(
      {
        ref,
        pod,
        env: {},
        hash: 'h',
        owner: 'o',
        address: 'a',
        createdAtMs: this.clock.now(),
      },
      1,
    );
    this.life = this.#begin();
  }

  #begin() {
    const ask =
      (what: string) =>
      ({ container, number }: Run): void =>
        void this.asked.push(`${what} ${container}${number === 0 ? '' : `#${number}`}`);
    const listen = (run: Run, listener: RunListener): void => void this.listeners.set(run.container, listener);
    const runtime = {
      kind: 'test',
      start: (plan: Run, listener: RunListener) => {
        ask('start')(plan);
        listen(plan, listener);
      },
      resume: (plan: Run, listener: RunListener) => {
        if (this.lost.has(plan.container)) return 'never';
        ask('resume')(plan);
        listen(plan, listener);
        return 'found';
      },
      stop: ask('stop'),
      kill: ask('kill'),
    } as unknown as Runtime;
    return createPodLife({
      record: this.record,
      runtime,
      clock: this.clock,
      random: seededRandom(1),
      keep: () => void this.kept.push(JSON.stringify(this.record)),
      changed: () => void this.changes++,
    });
  }

  /** As after a SIGKILL: what is on disk, and nothing else. */
  restart(): void {
    this.life.leave();
    this.record = structuredClone(this.record);
    this.life = this.#begin();
    this.life.resume();
  }

  end(container: string, exitCode: number, more: Partial<RunEnd> = {}): void {
    this.listeners.get(container)?.ended({ exitCode, finishedAtMs: this.clock.now(), ...more });
  }

  /** What it was asked since the last time. */
  take(): string[] {
    return this.asked.splice(0);
  }

  get states(): Record<string, string> {
    const { containers } = observationOf(this.record, 'test');
    return Object.fromEntries(
      containers.map(({ name, state, restartCount }) => {
        const what = state.waiting?.reason ?? (state.running ? 'running' : `exit ${state.terminated?.exitCode}`);
        return [name, restartCount === 0 ? what : `${what} (${restartCount})`];
      }),
    );
  }
}

const names = (...list: string[]) => list.map((name) => ({ name, image: 'i:1' }));

describe('the start', () => {
  it('runs init containers one after the other, then the others together', () => {
    const stage = new Stage({ initContainers: names('i1', 'i2'), containers: names('a', 'b') });
    stage.life.advance();
    expect(stage.take()).toEqual(['start i1']);
    expect(stage.states).toEqual({
      i1: 'running',
      i2: 'PodInitializing',
      a: 'PodInitializing',
      b: 'PodInitializing',
    });
    stage.end('i1', 0);
    expect(stage.take()).toEqual(['start i2']);
    stage.end('i2', 0);
    expect(stage.take()).toEqual(['start a', 'start b']);
    expect(stage.states).toEqual({ i1: 'exit 0', i2: 'exit 0', a: 'running', b: 'running' });
  });

  it('tries an init container again, with back-off, before it goes on', async () => {
    const stage = new Stage({ initContainers: names('i'), containers: names('a') });
    stage.life.advance();
    stage.end('i', 1);
    expect(stage.take()).toEqual(['start i', 'start i#1']);
    stage.end('i', 1);
    expect(stage.states).toEqual({ i: 'CrashLoopBackOff (1)', a: 'PodInitializing' });
    await stage.clock.advance(10_000);
    expect(stage.take()).toEqual(['start i#2']);
    stage.end('i', 0);
    expect(stage.take()).toEqual(['start a']);
  });

  it('goes no further when an init container failed for good', () => {
    const stage = new Stage({
      restartPolicy: 'Never',
      initContainers: [{ name: 'side', restartPolicy: 'Always' }, ...names('i')],
      containers: names('a'),
    });
    stage.life.advance();
    stage.end('i', 1);
    expect(stage.take()).toEqual(['start side', 'start i', 'stop side']);
    stage.end('side', 143);
    expect(stage.take()).toEqual([]);
    expect(stage.states).toEqual({ side: 'exit 143', i: 'exit 1', a: 'PodInitializing' });
  });

  it('keeps what it is about to do before it does it', () => {
    const stage = new Stage({ containers: names('a') });
    stage.life.advance();
    expect(stage.kept[0]).toContain('"phase":"starting"');
  });
});

describe('restarts', () => {
  it.each([
    ['Always', 0, true],
    ['Always', 1, true],
    ['OnFailure', 0, false],
    ['OnFailure', 1, true],
    ['Never', 0, false],
    ['Never', 1, false],
  ])('%s after exit code %i: %s', (restartPolicy, code, again) => {
    const stage = new Stage({ restartPolicy, containers: names('a') });
    stage.life.advance();
    stage.end('a', code);
    expect(stage.take()).toEqual(again ? ['start a', 'start a#1'] : ['start a']);
    expect(stage.states).toEqual({ a: again ? 'running (1)' : `exit ${code}` });
  });

  it('come at once, then after 10 s doubling up to 5 min, and afresh after a calm run', async () => {
    const stage = new Stage({ containers: names('a') });
    stage.life.advance();
    stage.end('a', 1);
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      stage.end('a', 1);
      stage.take();
      const since = stage.clock.monotonic();
      while (stage.take().length === 0) await stage.clock.advance(1000);
      waits.push((stage.clock.monotonic() - since) / 1000);
    }
    expect(waits).toEqual([10, 20, 40, 80, 160, 300, 300, 300]);
    await stage.clock.advance(600_000);
    stage.end('a', 1);
    expect(stage.take(), 'at once again').toEqual(['start a#10']);
  });

  it('are remembered by a backend that was killed meanwhile', async () => {
    const stage = new Stage({ containers: names('a') });
    stage.life.advance();
    stage.end('a', 1);
    stage.end('a', 2);
    await stage.clock.advance(4000);
    stage.restart();
    stage.take();
    expect(stage.states).toEqual({ a: 'CrashLoopBackOff (1)' });
    await stage.clock.advance(5999);
    expect(stage.take()).toEqual([]);
    await stage.clock.advance(1);
    expect(stage.take()).toEqual(['start a#2']);
    expect(observationOf(stage.record, 'test').containers[0]?.lastState?.terminated?.exitCode).toBe(2);
  });

  it('give a container its new image, whatever its policy', async () => {
    const stage = new Stage({ restartPolicy: 'Never', terminationGracePeriodSeconds: 5, containers: names('a', 'b') });
    stage.life.advance();
    stage.take();
    const { plan } = stage.record;
    const containers = [{ name: 'a', image: 'i:2' }, ...names('b')];
    stage.record.plan = { ...plan, pod: { ...plan.pod, spec: { ...plan.pod.spec, containers } } };
    stage.life.advance();
    expect(stage.take()).toEqual(['stop a']);
    stage.restart();
    expect(stage.take().toSorted()).toEqual(['resume a', 'resume b', 'stop a']);
    await stage.clock.advance(5000);
    expect(stage.take(), 'it is killed after its grace').toEqual(['kill a']);
    stage.end('a', 137);
    expect(stage.take()).toEqual(['start a#1']);
    expect(observationOf(stage.record, 'test').containers.map(({ image }) => image)).toEqual(['i:2', 'i:1']);
  });

  it('happen once for one end, however often it is told', () => {
    const stage = new Stage({ containers: names('a') });
    stage.life.advance();
    const listener = stage.listeners.get('a');
    listener?.ended({ exitCode: 1, finishedAtMs: stage.clock.now() });
    listener?.ended({ exitCode: 1, finishedAtMs: stage.clock.now() });
    expect(stage.take()).toEqual(['start a', 'start a#1']);
  });
});

describe('sidecars', () => {
  const spec = {
    restartPolicy: 'Never',
    initContainers: [...names('i'), { name: 'side', restartPolicy: 'Always' }],
    containers: names('a'),
  };

  it('run beside the others, and again when they end', () => {
    const stage = new Stage(spec);
    stage.life.advance();
    stage.end('i', 0);
    expect(stage.take()).toEqual(['start i', 'start side', 'start a']);
    stage.end('side', 0);
    expect(stage.take()).toEqual(['start side#1']);
  });

  it('are stopped when nothing is left to serve, and killed after the grace', async () => {
    const stage = new Stage(spec);
    stage.life.advance();
    stage.end('i', 0);
    stage.take();
    stage.end('a', 0);
    expect(stage.take()).toEqual(['stop side']);
    await stage.clock.advance(30_000);
    expect(stage.take()).toContain('kill side');
    stage.end('side', 137);
    expect(stage.states).toEqual({ i: 'exit 0', side: 'exit 137', a: 'exit 0' });
  });

  it('outlive the others in a deletion', () => {
    const stage = new Stage(spec);
    stage.life.advance();
    stage.end('i', 0);
    stage.take();
    stage.life.stop(30_000);
    expect(stage.take()).toEqual(['stop a']);
    stage.end('a', 0);
    expect(stage.take()).toEqual(['stop side']);
  });
});

describe('the end', () => {
  it('asks, waits for the grace, and kills; a shorter grace shortens it', async () => {
    const stage = new Stage({ containers: names('a') });
    stage.life.advance();
    stage.life.stop(60_000);
    expect(stage.take()).toEqual(['start a', 'stop a']);
    stage.life.stop(5000);
    stage.life.stop(90_000);
    stage.take();
    await stage.clock.advance(4999);
    expect(stage.take()).toEqual([]);
    await stage.clock.advance(1);
    expect(stage.take()).toEqual(['kill a']);
    stage.end('a', 137);
    expect(stage.take(), 'it is not started again').toEqual([]);
    expect(stage.states).toEqual({ a: 'exit 137' });
  });

  it('goes on where a killed backend left it', async () => {
    const stage = new Stage({ containers: names('a') });
    stage.life.advance();
    stage.life.stop(10_000);
    await stage.clock.advance(6000);
    stage.restart();
    expect(stage.take()).toEqual(['start a', 'stop a', 'resume a', 'stop a']);
    await stage.clock.advance(4000);
    expect(stage.take()).toEqual(['kill a']);
  });

  it('comes in time whatever the wall clock does', async () => {
    const stage = new Stage({ containers: names('a') });
    stage.life.advance();
    stage.life.stop(10_000);
    stage.take();
    stage.clock.stepWall(-600_000);
    await stage.clock.advance(10_000);
    expect(stage.take()).toEqual(['kill a']);
  });

  it('starts nothing that waits for its turn', async () => {
    const stage = new Stage({ initContainers: names('i'), containers: names('a') });
    stage.life.advance();
    stage.end('i', 1);
    stage.end('i', 1);
    stage.take();
    stage.life.stop(0);
    await stage.clock.advance(60_000);
    expect(stage.take()).toEqual([]);
    expect(stage.states).toEqual({ i: 'exit 1 (1)', a: 'PodInitializing' });
  });

  it('begins again what never began before the backend was killed', () => {
    const stage = new Stage({ containers: names('a', 'b') });
    stage.life.advance();
    stage.take();
    stage.lost.add('b');
    stage.restart();
    expect(stage.take()).toEqual(['resume a', 'start b']);
    expect(stage.states).toEqual({ a: 'running', b: 'running' });
  });
});
