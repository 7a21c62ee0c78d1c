import { expect, test } from 'vitest';
import { sleep, systemClock } from '../../src/clock.ts';
import type { Pod } from '../../src/kube/types.ts';
import { CLUSTER } from './support/cluster.ts';
import { openScenario, type Play } from './support/play.ts';
import { barePod, createPod, podNamed, restarts, uids, workloadPods } from './support/pods.ts';

/** Everything that is looked at happens in the first 25 s; the real control plane has time for the rest. */
const OUTAGE_MS = Number(process.env.ZONELET_OUTAGE_SECONDS ?? (CLUSTER === 'real' ? 60 : 30)) * 1000;
/** What is to be caught up with then. */
const CAUGHT_UP_MS = 30_000;

function running(play: Play, zone: string, name: string, command: string, restartPolicy: 'Never' | 'Always'): Pod {
  const pod = barePod(play, `${name}-${zone}`, zone);
  const [container] = pod.spec?.containers ?? [];
  if (container !== undefined) container.command = ['sh', '-c', command];
  return { ...pod, spec: { ...pod.spec, containers: pod.spec?.containers ?? [], restartPolicy } };
}

test(
  'the API server is gone for a while: pods run on, end and restart, nothing is created or deleted, then all is caught up with',
  async () => {
    await using play = await openScenario({ pods: 9, runtime: 'process' });
    const zones = play.stage.zones.map(({ name }) => name);
    const statusOf = (name: string, zone: string) => podNamed(play, `${name}-${zone}`)?.status;
    for (const zone of zones) {
      await createPod(play, running(play, zone, 'ends', 'sleep 20; exit 3', 'Never'));
      await createPod(play, running(play, zone, 'restarts', 'sleep 15; exit 1', 'Always'));
    }
    await play.until('them to run', () =>
      zones.every((zone) => ['ends', 'restarts'].every((name) => statusOf(name, zone)?.phase === 'Running')),
    );
    const before = uids(workloadPods(play));
    const from = Date.now();
    await play.stopApiServer();
    await sleep(systemClock, OUTAGE_MS);
    for (const { name, child } of play.stage.replicas) expect(child.running, `${name} lives`).toBe(true);
    const until = Date.now();
    await play.startApiServer();

    const returned = performance.now();
    await play.until(
      'what happened meanwhile to be told',
      () =>
        zones.every((zone) => {
          const ended = statusOf('ends', zone);
          const restarted = statusOf('restarts', zone)?.containerStatuses?.[0]?.restartCount ?? 0;
          return ended?.phase === 'Failed' && restarted >= 1;
        }),
      CAUGHT_UP_MS,
    );
    console.log(`caught up ${Math.round(performance.now() - returned)} ms after the API server's return`);
    for (const zone of zones) {
      expect(statusOf('ends', zone)?.containerStatuses?.[0]?.state?.terminated?.exitCode).toBe(3);
    }
    await play.until('a leader for every zone and all pods running', () => {
      const seen = play.observer.zones();
      const ready = seen.length === zones.length && seen.every((each) => each.ready);
      return ready && workloadPods(play).filter(({ status }) => status?.phase === 'Running').length === 9;
    });
    // Bound by hand: a real cluster's own controllers need up to a minute to find their API server again.
    for (const zone of zones) await createPod(play, running(play, zone, 'after', 'sleep 1000', 'Never'));
    await play.until('a new pod in every zone', () =>
      zones.every((zone) => statusOf('after', zone)?.phase === 'Running'),
    );
    expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
    expect(restarts(workloadPods(play))).toBe(0);
    const meanwhile = [...(await play.journals()).values()]
      .flat()
      .filter(({ t, op, outcome }) => t > from + 1_000 && t < until && op !== 'claim' && outcome !== 'refused');
    expect(meanwhile).toEqual([]);
    await play.checkInvariants();
  },
  OUTAGE_MS + 240_000,
);
