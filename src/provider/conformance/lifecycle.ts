/** The life of a pod's containers, as a kubelet leads it: order, sidecars, probes, hooks. */
import { describe, expect, it } from 'vitest';
import type { Container, Pod } from '../../kube/types.ts';
import type { BackendPod, Capabilities, ResolvedPod } from '../contract.ts';
import type { ConformanceHarness } from './harness.ts';
import { exitCode, onStage, type Stage } from './stage.ts';

/** Runs until it is asked to end, then ends at once, also as the first process of its own. */
const RUN = "trap 'exit 143' TERM; while :; do sleep 0.1; done";

/** Containers by what they run; `main` is the suite's own. */
type Scripts = Readonly<Record<string, { readonly script: string } & Partial<Container>>>;

export function lifecycle(harness: ConformanceHarness): void {
  describe('init containers', () => {
    it(
      'run one after the other, and the others after them',
      onStage(harness, async (stage) => {
        await needs(stage, 'initContainers');
        const pod = scripted(stage, { init: { first: { script: 'sleep 1' }, second: { script: 'sleep 1' } } });
        await stage.create(pod);
        await stage.eventually('main runs', async () => state(await stage.get(pod.ref), 'main').running !== undefined);
        const seen = await stage.get(pod.ref);
        const [first, second] = ['first', 'second'].map((name) => state(seen, name).terminated);
        expect([first?.exitCode, second?.exitCode]).toEqual([0, 0]);
        const times = [first?.startedAt, first?.finishedAt, second?.startedAt, second?.finishedAt].map(seconds);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        expect(seconds(state(seen, 'main').running?.startedAt)).toBeGreaterThanOrEqual(times.at(-1) ?? 0);
      }),
    );

    it(
      'that fail for good keep the others from being started',
      onStage(harness, async (stage) => {
        await needs(stage, 'initContainers');
        const pod = scripted(stage, { restartPolicy: 'Never', init: { first: { script: 'exit 3' } } });
        await stage.create(pod);
        await stage.eventually('it has ended', async () => {
          return state(await stage.get(pod.ref), 'first').terminated?.exitCode === 3;
        });
        await stage.advance(1000);
        expect(state(await stage.get(pod.ref), 'main').waiting?.reason).toBe('PodInitializing');
      }),
    );

    it(
      'that run beside the others end after them',
      onStage(harness, async (stage) => {
        await needs(stage, 'initContainers');
        const side = { script: RUN, restartPolicy: 'Always' };
        const pod = scripted(stage, { restartPolicy: 'Never', init: { side }, main: { script: 'sleep 1' } });
        await stage.create(pod);
        await stage.eventually('both have ended', async () => {
          const seen = await stage.get(pod.ref);
          return ['main', 'side'].every((name) => state(seen, name).terminated !== undefined);
        });
        const seen = await stage.get(pod.ref);
        expect(state(seen, 'main').terminated?.exitCode).toBe(0);
        const [main, sidecar] = ['main', 'side'].map((name) => seconds(state(seen, name).terminated?.finishedAt));
        expect(sidecar).toBeGreaterThanOrEqual(main ?? Number.NaN);
      }),
    );
  });

  describe('probes', () => {
    const probe = (script: string) => ({ exec: { command: ['sh', '-c', script] }, periodSeconds: 1 });

    it(
      'of readiness decide whether a container that runs is ready',
      onStage(harness, async (stage) => {
        await needs(stage, 'probes');
        const good = scripted(stage, { main: { script: RUN, readinessProbe: probe('true') } });
        const bad = scripted(stage, { main: { script: RUN, readinessProbe: probe('false') } });
        for (const pod of [good, bad]) await stage.create(pod);
        await stage.eventually('one is ready', async () => main(await stage.get(good.ref))?.ready === true);
        await stage.eventually('the other runs', async () => {
          return main(await stage.get(bad.ref))?.state.running !== undefined;
        });
        await stage.advance(1500);
        const other = main(await stage.get(bad.ref));
        expect(other).toMatchObject({ ready: false, restartCount: 0 });
        expect(other?.state.running, 'nothing is restarted for it').toBeDefined();
      }),
    );

    it(
      'of liveness that fail have the container begin again',
      onStage(harness, async (stage) => {
        await needs(stage, 'probes');
        const livenessProbe = { ...probe('false'), failureThreshold: 1 };
        const pod = scripted(stage, { restartPolicy: 'Always', main: { script: RUN, livenessProbe } });
        await stage.create(pod);
        await stage.eventually('it began again', async () => (main(await stage.get(pod.ref))?.restartCount ?? 0) > 0);
        expect(main(await stage.get(pod.ref))?.lastState?.terminated).toBeDefined();
      }),
    );

    it(
      'of startup that have not succeeded say that it has not started',
      onStage(harness, async (stage) => {
        await needs(stage, 'probes');
        const startupProbe = { ...probe('test -e up'), failureThreshold: 1000 };
        const never = scripted(stage, { main: { script: RUN, startupProbe } });
        const soon = scripted(stage, { main: { script: `touch up; ${RUN}`, startupProbe } });
        for (const pod of [never, soon]) await stage.create(pod);
        await stage.eventually('one has started', async () => main(await stage.get(soon.ref))?.started === true);
        await stage.eventually('the other runs', async () => {
          return main(await stage.get(never.ref))?.state.running !== undefined;
        });
        expect(main(await stage.get(never.ref))).toMatchObject({ started: false, ready: false });
      }),
    );
  });

  describe('hooks', () => {
    const hook = (script: string) => ({ exec: { command: ['sh', '-c', script] } });

    it(
      'run after the start of their container',
      onStage(harness, async (stage) => {
        await needs(stage, 'lifecycleHooks');
        const script = 'while ! test -e hooked; do sleep 0.1; done; exit 5';
        const pod = scripted(stage, {
          restartPolicy: 'Never',
          main: { script, lifecycle: { postStart: hook('touch hooked') } },
        });
        await stage.create(pod);
        await stage.eventually('it saw its hook', async () => exitCode(await stage.get(pod.ref)) === 5);
      }),
    );

    it(
      'that fail after the start end their container',
      onStage(harness, async (stage) => {
        await needs(stage, 'lifecycleHooks');
        const main = { script: RUN, lifecycle: { postStart: hook('false') } };
        const pod = scripted(stage, { restartPolicy: 'Never', main });
        await stage.create(pod);
        await stage.eventually('it has ended', async () => exitCode(await stage.get(pod.ref)) !== undefined);
      }),
    );

    it(
      'run before their container is asked to end',
      onStage(harness, async (stage) => {
        await needs(stage, 'lifecycleHooks');
        const script = "trap 'test -e hooked && exit 7; exit 8' TERM; touch ready; while :; do sleep 0.1; done";
        // It waits until the container listens for its end.
        const preStop = hook('while ! test -e ready; do sleep 0.1; done; touch hooked');
        const pod = scripted(stage, { main: { script, lifecycle: { preStop } } });
        await stage.create(pod);
        await stage.eventually('it runs', async () => main(await stage.get(pod.ref))?.state.running !== undefined);
        await stage.delete(pod.ref, 30);
        await stage.eventually('it has ended', async () => exitCode(await stage.get(pod.ref)) !== undefined);
        expect(exitCode(await stage.get(pod.ref))).toBe(7);
      }),
    );
  });
}

async function needs(stage: Stage, what: keyof Capabilities): Promise<void> {
  // A provider may learn what its backend offers with its first mutation.
  await stage.claim();
  if (stage.provider.capabilities[what] !== true) stage.skip(`it does not offer ${what}`);
}

function scripted(
  stage: Stage,
  how: { readonly restartPolicy?: string; readonly init?: Scripts; readonly main?: Scripts[string] },
): ResolvedPod {
  const { shell } = stage.backend;
  if (shell === undefined) return stage.skip('the harness has no container that runs a script');
  const container = (name: string, { script, ...more }: Scripts[string]): Container => ({
    name,
    ...shell(script),
    ...more,
  });
  const spec: NonNullable<Pod['spec']> = {
    restartPolicy: how.restartPolicy ?? 'Always',
    initContainers: Object.entries(how.init ?? {}).map(([name, one]) => container(name, one)),
    containers: [container('main', how.main ?? { script: RUN })],
  };
  return stage.pod({ does: 'run' }, (pod) => ({ ...pod, spec }));
}

function state(pod: BackendPod | undefined, name: string) {
  return pod?.observation.containers.find((container) => container.name === name)?.state ?? {};
}

function main(pod: BackendPod | undefined) {
  return pod?.observation.containers.find(({ name }) => name === 'main');
}

/** The API keeps no finer time. */
function seconds(time: string | undefined): number {
  return Math.floor(Date.parse(time ?? '') / 1000);
}
