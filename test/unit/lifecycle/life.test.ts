/** A pod's life as people see it: hooks, ends, deadlines, Events. */
import { describe, expect, it } from 'vitest';
import { exec, LifeStage, named } from './stage.ts';

// https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
describe('a postStart hook', () => {
  const spec = { containers: [{ name: 'a', lifecycle: { postStart: exec('warm-up') } }, ...named('b')] };

  it('keeps its container from running, for people, and the next from being started', async () => {
    const stage = new LifeStage(spec).begin();
    expect(stage.take()).toEqual(['start a']);
    expect(stage.states).toEqual({ a: 'ContainerCreating', b: 'ContainerCreating' });
    await stage.finish('a: warm-up');
    expect(stage.take()).toEqual(['start b']);
    expect(stage.states).toEqual({ a: 'running, ready', b: 'running, ready' });
    expect(stage.heard()).toEqual([]);
  });

  it('that fails kills its container, which begins again by its policy', async () => {
    const stage = new LifeStage(spec).begin();
    await stage.finish('a: warm-up', 1, 'the password is 123');
    expect(stage.heard()).toEqual([
      'Warning FailedPostStartHook: PostStartHook failed',
      'Normal Killing: FailedPostStartHook',
    ]);
    expect(stage.take()).toContain('stop a');
    stage.end('a', 143);
    expect(stage.take()).toContain('start a#1');
  });

  it('is sent again when its sender was restarted meanwhile', async () => {
    const stage = new LifeStage(spec).begin();
    stage.restart();
    expect(stage.states.a).toBe('ContainerCreating');
    await stage.finish('a: warm-up');
    expect(stage.states.a).toBe('running, ready');
  });

  it('ends with its container', async () => {
    const stage = new LifeStage({ ...spec, restartPolicy: 'Never' }).begin();
    stage.end('a', 3);
    await stage.pass(0);
    expect(stage.commands).toEqual([]);
    expect(stage.heard()).toEqual([]);
    expect(stage.states.a).toBe('exit 3');
  });
});

describe('a preStop hook', () => {
  const spec = { containers: [{ name: 'a', lifecycle: { preStop: exec('drain') } }] };

  it('runs before the container is asked to end, within the same grace', async () => {
    const stage = new LifeStage(spec).begin();
    stage.life.stop(30_000);
    await stage.pass(10);
    expect(stage.take()).toEqual(['start a']);
    await stage.finish('a: drain');
    expect(stage.take()).toEqual(['stop a']);
    await stage.pass(19.9);
    expect(stage.take()).toEqual([]);
    await stage.pass(0.1);
    expect(stage.take()).toEqual(['kill a']);
  });

  it('that takes all the grace leaves its container two seconds', async () => {
    const stage = new LifeStage(spec).begin();
    stage.life.stop(30_000);
    await stage.pass(30);
    expect(stage.take()).toEqual(['start a', 'stop a']);
    await stage.pass(1.9);
    expect(stage.take()).toEqual([]);
    await stage.pass(0.1);
    expect(stage.take()).toEqual(['kill a']);
  });

  it('that fails is told of, and the container ends all the same', async () => {
    const stage = new LifeStage(spec).begin();
    stage.life.stop(30_000);
    await stage.finish('a: drain', 1, 'a secret');
    expect(stage.heard()).toEqual(['Warning FailedPreStopHook: PreStopHook failed']);
    expect(stage.take()).toEqual(['start a', 'stop a']);
  });

  it('does not run for a pod that is killed at once, nor longer than that', async () => {
    const atOnce = new LifeStage(spec).begin();
    atOnce.life.stop(0);
    expect(atOnce.take()).toEqual(['start a', 'kill a']);
    expect(atOnce.ran).toEqual([]);
    const later = new LifeStage(spec).begin();
    later.life.stop(30_000);
    later.life.stop(0);
    expect(later.take()).toEqual(['start a', 'kill a']);
  });

  it('can sleep', async () => {
    const sleeping = { containers: [{ name: 'a', lifecycle: { preStop: { sleep: { seconds: 7 } } } }] };
    const stage = new LifeStage(sleeping).begin();
    stage.life.stop(30_000);
    await stage.pass(6.9);
    expect(stage.take()).toEqual(['start a']);
    await stage.pass(0.1);
    expect(stage.take()).toEqual(['stop a']);
  });

  it('of a sidecar runs at once, and the sidecar still ends last', async () => {
    const stage = new LifeStage({
      initContainers: [{ name: 's', restartPolicy: 'Always', lifecycle: { preStop: exec('drain') } }],
      containers: named('a'),
    }).begin();
    stage.take();
    stage.life.stop(30_000);
    expect(stage.ran).toEqual(['0 s: drain']);
    await stage.finish('s: drain');
    expect(stage.take()).toEqual(['stop a']);
    stage.end('a', 0);
    expect(stage.take()).toEqual(['stop s']);
  });
});

// https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-termination-and-cleanup : the same reason is the pod's.
describe('activeDeadlineSeconds', () => {
  const spec = { activeDeadlineSeconds: 60, terminationGracePeriodSeconds: 5, containers: named('a', 'b') };

  it('ends what runs, with its grace, and only then the pod has failed', async () => {
    const stage = new LifeStage(spec).begin();
    stage.end('b', 1);
    await stage.pass(60);
    expect(stage.take()).toEqual(['start a', 'start b', 'start b#1', 'stop a', 'stop b#1']);
    expect(stage.failure).toEqual({});
    stage.end('a', 143);
    await stage.pass(5);
    expect(stage.take()).toEqual(['kill b#1']);
    stage.end('b', 137);
    expect(stage.failure).toEqual({
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
    expect(stage.heard()[0]).toBe(
      'Normal DeadlineExceeded: Pod was active on the node longer than the specified deadline',
    );
  });

  it('passes also while nobody runs the engine', async () => {
    const stage = new LifeStage(spec).begin();
    stage.life.leave();
    await stage.pass(100);
    stage.take();
    stage.restart();
    expect(stage.take()).toEqual(['resume a', 'resume b', 'stop a', 'stop b']);
  });

  it('can be set, and shortened, on a pod that runs', async () => {
    const stage = new LifeStage({ containers: named('a') }).begin();
    await stage.pass(100);
    stage.spec = { ...stage.spec, activeDeadlineSeconds: 120 };
    stage.life.advance();
    await stage.pass(10);
    expect(stage.take()).toEqual(['start a']);
    stage.spec = { ...stage.spec, activeDeadlineSeconds: 110 };
    stage.life.advance();
    expect(stage.take()).toEqual(['stop a']);
  });
});

// https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/ : never restarted, no part in the pod's end.
describe('an ephemeral container', () => {
  it('begins in a pod that runs, once, and ends with it', () => {
    const stage = new LifeStage({ restartPolicy: 'Always', containers: named('a') }).begin();
    stage.take();
    stage.spec = { ...stage.spec, ephemeralContainers: [{ name: 'debug', image: 'i' }] };
    stage.life.advance();
    expect(stage.take()).toEqual(['start debug']);
    stage.end('debug', 1);
    expect(stage.take()).toEqual([]);
    expect(stage.states).toEqual({ a: 'running, ready', debug: 'exit 1' });
  });

  it('does not keep a pod from ending', () => {
    const stage = new LifeStage({ restartPolicy: 'Never', containers: named('a') }).begin();
    stage.spec = { ...stage.spec, ephemeralContainers: [{ name: 'debug', image: 'i' }] };
    stage.life.advance();
    stage.take();
    stage.end('a', 0);
    expect(stage.take()).toEqual(['stop debug']);
  });

  it('helps with a pod whose init container hangs', () => {
    const stage = new LifeStage({ initContainers: named('i'), containers: named('a') }).begin();
    stage.spec = { ...stage.spec, ephemeralContainers: [{ name: 'debug', image: 'i' }] };
    stage.life.advance();
    expect(stage.take()).toEqual(['start i', 'start debug']);
  });
});

describe('what people see', () => {
  it('of a back-off is the kubelet’s text', () => {
    const stage = new LifeStage({ containers: named('a') }).begin();
    for (let i = 0; i < 2; i++) stage.end('a', 1);
    expect(stage.view('a').state).toEqual({
      waiting: { reason: 'CrashLoopBackOff', message: 'back-off 10s restarting failed container=a pod=p_n(u)' },
    });
    expect(stage.view('a').lastState?.terminated).toMatchObject({
      exitCode: 1,
      reason: 'Error',
      containerID: 'test://a/1',
    });
  });

  it('of an image that is replaced is that the definition changed', () => {
    const stage = new LifeStage({ restartPolicy: 'Never', containers: named('a') }).begin();
    stage.spec = { ...stage.spec, containers: [{ name: 'a', image: 'i:2' }] };
    stage.life.advance();
    expect(stage.heard()).toEqual(['Normal Killing: Container a definition changed, will be restarted']);
    stage.end('a', 143);
    expect(stage.take()).toEqual(['start a', 'stop a', 'start a#1']);
  });
});
