import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEASES, NODES, PODS } from '../../src/kube/resources.ts';
import { EPOCH_ANNOTATION, LEADER_ANNOTATION } from '../../src/node/names.ts';
import { openScenario, type Play } from './support/play.ts';
import {
  annotateNode,
  barePod,
  createPod,
  node,
  podNamed,
  restarts,
  scaleTo,
  uids,
  workloadPods,
} from './support/pods.ts';

/** One set for all: what people and other programs do to a cluster, one thing after the other. */
describe('what is done by hand', () => {
  let play: Play;
  let before: string[];
  const zone = (i: number): string => play.stage.zones[i]?.name ?? '';
  const lease = (i: number) => ({ namespace: play.stage.namespace, name: `zonelet-${play.stage.set}-${zone(i)}` });

  beforeAll(async () => {
    play = await openScenario({ pods: 6 });
    before = uids(workloadPods(play));
  });
  afterAll(async () => {
    await play?.[Symbol.asyncDispose]();
  });

  test('a deleted Lease is made again, with a higher epoch', async () => {
    const epoch = play.epochOf(zone(0));
    await play.client.delete(LEASES, lease(0));
    await play.until('a new Lease', () => play.epochOf(zone(0)) > epoch);
    const made = await play.client.get(LEASES, lease(0));
    expect(made.spec?.leaseTransitions).toBe(play.epochOf(zone(0)));
  });

  test('a Lease that somebody gave to nobody is led again, with a higher epoch', async () => {
    const epoch = play.epochOf(zone(0));
    await play.client.patch(LEASES, lease(0), {
      type: 'merge',
      body: { spec: { holderIdentity: 'intruder_-_x', leaseDurationSeconds: 1 } },
    });
    await play.until('a new term', () => play.epochOf(zone(0)) > epoch);
    expect(play.leaderOf(zone(0))).toMatch(/^replica-/);
  });

  test('a deleted Node is made again, and its pods stay', async () => {
    const name = play.stage.zones[1]?.nodeName ?? '';
    const uid = node(play, zone(1))?.metadata?.uid;
    await play.client.delete(NODES, { name });
    await play.until('a new Node that is Ready', () => {
      const present = node(play, zone(1));
      const ready = present?.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True');
      return present?.metadata?.uid !== uid && ready === true;
    });
    expect(uids(workloadPods(play))).toEqual(before);
  });

  test('an edited epoch on the Node is put right', async () => {
    const epoch = play.epochOf(zone(2));
    await annotateNode(play, zone(2), { [EPOCH_ANNOTATION]: '0', [LEADER_ANNOTATION]: 'nobody' });
    await play.until('the claim to be put right', () => {
      const claim = node(play, zone(2))?.metadata?.annotations?.[EPOCH_ANNOTATION];
      return Number(claim) >= epoch && play.leaderOf(zone(2))?.startsWith('replica-') === true;
    });
    await annotateNode(play, zone(2), { [EPOCH_ANNOTATION]: String(epoch + 40) });
    await play.until('a term above what was written there', () => play.epochOf(zone(2)) > epoch + 40);
    // What is deleted by force before the new term has looked around is an orphan to it, which is left alone for 30 s.
    await createPod(play, barePod(play, 'first-of-the-term', zone(2)));
    await play.until('work of that term', () => podNamed(play, 'first-of-the-term')?.status?.phase === 'Running');
  });

  test('a deleted pod stops in good order and is replaced; a pod deleted by force leaves its backend', async () => {
    const [gentle, forced] = workloadPods(play);
    await play.client.delete(PODS, { namespace: play.stage.namespace, name: gentle?.metadata?.name ?? '' });
    await play.client.delete(
      PODS,
      { namespace: play.stage.namespace, name: forced?.metadata?.name ?? '' },
      { gracePeriodSeconds: 0 },
    );
    await play.until('two new pods', () => {
      const now = uids(workloadPods(play));
      return play.observer.runningPods === 6 && ![gentle, forced].some((pod) => now.includes(pod?.metadata?.uid ?? ''));
    });
    await play.until('both to have left their backends', async () => {
      const deleted = [...(await play.journals()).values()]
        .flat()
        .filter(({ op, outcome }) => op === 'delete' && outcome !== 'refused');
      return [gentle, forced].every((pod) => deleted.some(({ uid }) => uid === pod?.metadata?.uid));
    });
  });

  test('the same name under a new UID is another pod', async () => {
    const first = await createPod(play, barePod(play, 'again', zone(0)));
    await play.until('the first to run', () => podNamed(play, 'again')?.status?.phase === 'Running');
    await play.client.delete(PODS, { namespace: play.stage.namespace, name: 'again' }, { gracePeriodSeconds: 0 });
    const second = await createPod(play, barePod(play, 'again', zone(0)));
    await play.until('the second to run', () => {
      const present = podNamed(play, 'again');
      return present?.metadata?.uid === second.metadata?.uid && present?.status?.phase === 'Running';
    });
    await play.until('the first to have left its backend', async () =>
      [...(await play.journals()).values()]
        .flat()
        .some(({ op, uid }) => op === 'delete' && uid === first.metadata?.uid),
    );
  });

  test('a pod placed without a scheduler runs where it fits, and is Failed as on a kubelet where it does not', async () => {
    await createPod(play, barePod(play, 'fits', zone(0), { cpu: '1' }));
    await createPod(play, barePod(play, 'does-not-fit', zone(0), { cpu: '1000' }));
    await play.until('both answers', () => {
      const phases = ['fits', 'does-not-fit'].map((name) => podNamed(play, name)?.status?.phase);
      return phases[0] === 'Running' && phases[1] === 'Failed';
    });
    expect(podNamed(play, 'does-not-fit')?.status?.reason).toBe('OutOfcpu');
  });

  test('a pod that asks for what is not offered says which field', async () => {
    const pod = barePod(play, 'unsupported', zone(0));
    const [container] = pod.spec?.containers ?? [];
    if (container !== undefined) container.livenessProbe = { httpGet: { path: '/', port: 80 } };
    await createPod(play, pod);
    await play.until('the refusal', () => {
      const waiting = podNamed(play, 'unsupported')?.status?.containerStatuses?.[0]?.state?.waiting;
      return (
        waiting?.reason === 'UnsupportedPodSpec' &&
        waiting.message?.includes('spec.containers[0].livenessProbe') === true
      );
    });
    expect(podNamed(play, 'unsupported')?.status?.phase).toBe('Pending');
  });

  test('and after all of that the set works and every invariant held', async () => {
    await scaleTo(play, 9);
    expect(restarts(workloadPods(play))).toBe(0);
    await play.checkInvariants({ editedNodes: play.stage.zones.map(({ nodeName }) => nodeName) });
  });
});
