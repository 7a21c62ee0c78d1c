/**
 * Probes as Kubernetes documents them (https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
 * and .../tasks/configure-pod-container/configure-liveness-readiness-startup-probes/), on virtual time.
 */
import { describe, expect, it } from 'vitest';
import { exec, LifeStage, type Spec } from './stage.ts';

const OK = 0;
const BAD = 1;

function pod(probes: object, spec: Spec = {}): LifeStage {
  return new LifeStage({ containers: [{ name: 'a', image: 'i', ...probes }], ...spec });
}

/** Seconds at which a command ran. */
const times = (stage: LifeStage) => stage.ran.map((line) => Number(line.split(' ')[0]));

describe('a readiness probe', () => {
  const readinessProbe = { ...exec('ready'), periodSeconds: 5, failureThreshold: 2, successThreshold: 2 };

  it('is asked from initialDelaySeconds on, every periodSeconds', async () => {
    const stage = pod({ readinessProbe: { ...readinessProbe, initialDelaySeconds: 12 } });
    stage.answer = () => OK;
    stage.begin();
    await stage.pass(25);
    expect(times(stage)).toEqual([12, 17, 22]);
  });

  it('is not ready before its first success; both thresholds count successes and failures in a row', async () => {
    const stage = pod({ readinessProbe });
    const answers = [OK, BAD, OK, OK, BAD, OK, BAD, BAD, OK, OK];
    stage.answer = () => answers.shift() ?? OK;
    stage.begin();
    const seen: boolean[] = [];
    for (let i = 0; i < 10; i++) {
      await stage.pass(i === 0 ? 0.1 : 5);
      seen.push(stage.view('a').ready);
    }
    expect(seen).toEqual([false, false, false, true, true, true, true, false, false, true]);
    expect(stage.take(), 'nothing is restarted for it').toEqual(['start a']);
    expect(new Set(stage.heard())).toEqual(new Set(['Warning Unhealthy: Readiness probe failed: exit 1']));
  });

  it('is asked on while the pod ends', async () => {
    const stage = pod({ readinessProbe: { ...readinessProbe, successThreshold: 1 } });
    let answer = OK;
    stage.answer = () => answer;
    stage.begin();
    await stage.pass(0.1);
    expect(stage.states.a).toBe('running, ready');
    stage.life.stop(30_000);
    answer = BAD;
    await stage.pass(10);
    expect(stage.states.a).toBe('running');
  });

  it('is asked anew of another run, and the result is kept over a restart of the engine', async () => {
    const stage = pod({ readinessProbe: { ...readinessProbe, successThreshold: 1 } });
    stage.answer = () => OK;
    stage.begin();
    await stage.pass(0.1);
    stage.restart();
    expect(stage.states.a).toBe('running, ready');
    stage.answer = undefined;
    stage.end('a', 1);
    expect(stage.states.a).toBe('running');
  });
});

describe('a liveness probe', () => {
  const livenessProbe = { ...exec('alive'), periodSeconds: 10, failureThreshold: 3, terminationGracePeriodSeconds: 4 };

  it('that fails often enough in a row ends the container, with its own grace, and it begins again', async () => {
    const stage = pod({ livenessProbe });
    stage.answer = () => BAD;
    stage.begin();
    // The first look comes at some time within the first period.
    await stage.pass(20);
    expect(stage.take()).toEqual(['start a']);
    while (stage.commandsOf('alive') < 3) await stage.pass(1);
    expect(stage.take()).toEqual(['stop a']);
    expect(stage.heard()).toEqual([
      ...Array(3).fill('Warning Unhealthy: Liveness probe failed: exit 1'),
      'Normal Killing: Container a failed liveness probe, will be restarted',
    ]);
    const asked = stage.ran.length;
    await stage.pass(4);
    expect(stage.take()).toEqual(['kill a']);
    stage.end('a', 137);
    expect(stage.take()).toEqual(['start a#1']);
    expect(stage.ran.length, 'it is left in peace while it ends').toBe(asked);
  });

  it('ends a container for good under restartPolicy Never', async () => {
    const stage = pod({ livenessProbe }, { restartPolicy: 'Never' });
    stage.answer = () => BAD;
    stage.begin();
    await stage.pass(30);
    expect(stage.heard().at(-1)).toBe('Normal Killing: Container a failed liveness probe');
    stage.end('a', 137);
    expect(stage.states.a).toBe('exit 137');
  });

  it('forgives failures that are not in a row', async () => {
    const stage = pod({ livenessProbe });
    const answers = [BAD, BAD, OK, BAD, BAD, OK];
    stage.answer = () => answers.shift() ?? OK;
    stage.begin();
    await stage.pass(100);
    expect(stage.take()).toEqual(['start a']);
  });

  it('says nothing against a container when it cannot be carried out', async () => {
    const stage = pod({ livenessProbe: { tcpSocket: { port: 'nobody' }, failureThreshold: 1 } });
    stage.begin();
    await stage.pass(60);
    expect(stage.take()).toEqual(['start a']);
    expect(stage.heard()[0]).toBe(
      'Warning Unhealthy: Liveness probe errored and resulted in unknown state: strconv.Atoi: parsing "nobody": invalid syntax',
    );
  });

  it('is not asked any more when the pod is being deleted', async () => {
    const stage = pod({ livenessProbe });
    stage.answer = () => BAD;
    stage.begin();
    stage.life.stop(300_000);
    await stage.pass(100);
    expect(stage.ran).toEqual([]);
  });

  it('fails when it takes longer than timeoutSeconds', async () => {
    const stage = pod({ livenessProbe: { ...livenessProbe, timeoutSeconds: 2, failureThreshold: 1 } });
    stage.begin();
    await stage.pass(12);
    expect(stage.heard()).toEqual([
      'Warning Unhealthy: Liveness probe failed: command timed out: "alive" timed out after 2s',
      'Normal Killing: Container a failed liveness probe, will be restarted',
    ]);
    expect(stage.commands).toEqual([]);
  });
});

describe('a startup probe', () => {
  const startupProbe = { ...exec('up'), periodSeconds: 2, failureThreshold: 5 };

  it('keeps the others back until it has succeeded, and is not asked again', async () => {
    const stage = pod({ startupProbe, livenessProbe: exec('alive'), readinessProbe: exec('ready') });
    let up = BAD;
    stage.answer = (text) => (text === 'a: up' ? up : OK);
    stage.begin();
    await stage.pass(5);
    expect(stage.view('a')).toMatchObject({ started: false, ready: false });
    expect(new Set(stage.ran.map((line) => line.slice(line.indexOf(' ') + 1)))).toEqual(new Set(['a: up']));
    up = OK;
    await stage.pass(2);
    expect(stage.view('a')).toMatchObject({ started: true, ready: true });
    const before = stage.ran.length;
    await stage.pass(100);
    expect(stage.ran.slice(before).some((line) => line.endsWith(' up'))).toBe(false);
  });

  it('that never succeeds ends the container', async () => {
    const stage = pod({ startupProbe });
    stage.answer = () => BAD;
    stage.begin();
    await stage.pass(10);
    expect(stage.heard().at(-1)).toBe('Normal Killing: Container a failed startup probe, will be restarted');
  });

  it('lets what comes after a sidecar wait for it', async () => {
    const stage = new LifeStage({
      initContainers: [{ name: 's', restartPolicy: 'Always', startupProbe }],
      containers: [{ name: 'a' }],
    });
    let up = BAD;
    stage.answer = () => up;
    stage.begin();
    await stage.pass(4);
    expect(stage.take()).toEqual(['start s']);
    up = OK;
    await stage.pass(2);
    expect(stage.take()).toEqual(['start a']);
  });

  it('has succeeded for a run that was found again', async () => {
    const stage = pod({ startupProbe });
    stage.answer = () => OK;
    stage.begin();
    await stage.pass(2);
    stage.restart();
    expect(stage.view('a').started).toBe(true);
  });
});

describe('thousands', () => {
  it('do not all begin at one moment after a restart', async () => {
    const seconds: number[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const stage = new LifeStage({ containers: [{ name: 'a', readinessProbe: exec('ready') }] }, seed);
      stage.answer = () => OK;
      stage.begin();
      await stage.pass(0);
      stage.ran.splice(0);
      stage.restart();
      await stage.pass(10);
      seconds.push(...times(stage).slice(0, 1));
    }
    expect(seconds).toHaveLength(20);
    expect(new Set(seconds.map(Math.floor)).size, 'seconds of the period in which one is asked').toBeGreaterThan(5);
  });

  it('keep one timer each', async () => {
    const stage = pod({ readinessProbe: exec('ready'), livenessProbe: exec('alive') });
    stage.answer = () => OK;
    stage.begin();
    await stage.pass(1000);
    expect(stage.clock.pending).toBe(2);
    stage.life.leave();
    expect(stage.clock.pending).toBe(0);
  });
});
