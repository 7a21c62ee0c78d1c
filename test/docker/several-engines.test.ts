/** A zone of two engines, one of which drops out and comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createDockerProvider } from '../../providers/docker/provider.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { codeOf } from '../../src/errors.ts';
import { silentLogger } from '../../src/log.ts';
import type { Operation, PodRef, ZoneReport } from '../../src/provider/contract.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { BUSYBOX, NETWORK, noDockerd, SUITE_IMAGE, startDockerd } from './dockerd.ts';

const OWNER = '00000000-0000-4000-8000-00000000000b/several';
const missing = noDockerd();

describe.skipIf(missing !== undefined)(`two engines${missing === undefined ? '' : `: ${missing}`}`, () => {
  test('spread the pods, and one that drops out takes only its own with it until it is back', async () => {
    await using first = await startDockerd('10.213.3.0/24');
    await using second = await startDockerd('10.213.4.0/24');
    await using proxy = await startFaultProxy();
    proxy.target(second.port);
    const end = new AbortController();
    const context = { zone: 'zone-a', clock: systemClock, random: systemRandom, log: silentLogger };
    await using provider = createDockerProvider(
      {
        engines: [
          { name: 'first', url: first.url, maxPods: 10 },
          { name: 'second', url: `tcp://127.0.0.1:${proxy.port}`, maxPods: 10 },
        ],
        network: NETWORK,
        sandbox: { busyboxFile: BUSYBOX },
        clusterDNS: [],
        clusterDomain: 'cluster.local',
        allow: { capabilities: [], unconfined: false },
      },
      context,
    );
    const reading = { signal: end.signal, timeoutMs: 10_000 };
    const operation = (): Operation => ({
      ...reading,
      owner: OWNER,
      zone: 'zone-a',
      epoch: 1,
      holder: 'replica-0',
      attempt: 1,
    });
    const until = async (what: string, check: () => Promise<boolean> | boolean): Promise<void> => {
      for (let tries = 0; tries < 600; tries++) {
        if (await check()) return;
        await sleep(50);
      }
      expect.fail(`it did not come to pass that ${what}`);
    };
    const reports: ZoneReport[] = [];
    void (async () => {
      for await (const report of provider.zoneReports(end.signal)) reports.push(report);
    })();
    await until('the zone is up', () => reports.at(-1)?.state === 'Up' && reports.at(-1)?.allocatable?.pods === '20');
    await provider.list(OWNER, reading);
    const create = async (n: number): Promise<PodRef> => {
      const ref = { uid: `00000000-0000-4000-9000-00000000000${n}`, namespace: 'shop', name: `pod-${n}` };
      const pod = {
        metadata: ref,
        spec: {
          containers: [
            {
              name: 'main',
              image: SUITE_IMAGE,
              command: ['sh', '-c', "trap 'exit 0' TERM; while :; do sleep 0.2; done"],
            },
          ],
        },
      };
      const resolved = { ref, pod, env: {}, volumes: {}, pullSecrets: [], hash: 'h' };
      await until('an engine takes it', async () => {
        const outcome = await provider.create(resolved, operation()).then(() => 'made', codeOf);
        return outcome === 'made' || expect(outcome).toBe('Unavailable') === undefined;
      });
      return ref;
    };
    const reachable = async (ref: PodRef): Promise<boolean | undefined> => {
      const pod = await provider.get(OWNER, ref, reading);
      return pod?.observation.reachable;
    };
    const runs = async (ref: PodRef): Promise<boolean> => {
      const pod = await provider.get(OWNER, ref, reading);
      return pod?.observation.reachable === true && pod.observation.containers[0]?.state.running !== undefined;
    };
    const pods = [await create(1), await create(2)];
    for (const ref of pods) await until('it runs', () => runs(ref));
    const [here, there] = await Promise.all(
      [first, second].map(async ({ engine }) => {
        const path = '/containers/json?all=true&filters=%7B%22label%22%3A%5B%22zonelet.dev%2Frole%3Dsandbox%22%5D%7D';
        const found = await engine.json<{ Labels: Record<string, string> }[]>({ method: 'GET', path, ...reading });
        return pods.filter(({ uid }) => found.some(({ Labels }) => Labels['zonelet.dev/uid'] === uid));
      }),
    );
    expect([here?.length, there?.length], 'one on each').toEqual([1, 1]);
    const [stays, lost] = [here?.[0], there?.[0]];
    if (stays === undefined || lost === undefined) return;
    const before = await provider.get(OWNER, lost, reading);

    proxy.cut(true);
    await until('its pod is out of reach', async () => (await reachable(lost)) === false);
    expect((await provider.get(OWNER, lost, reading))?.observation.containers).toEqual(before?.observation.containers);
    expect(await reachable(stays)).toBe(true);
    const partial = await provider.list(OWNER, reading);
    expect(partial.complete).toBe(false);
    expect(partial.pods.map(({ ref }) => ref.uid).sort()).toEqual(pods.map(({ uid }) => uid));
    expect(await provider.delete(lost, { gracePeriodSeconds: 0 }, operation()).catch(codeOf)).toBe('Unavailable');
    const third = await create(3);
    await until('a new pod runs on the other', () => runs(third));
    await until('the zone is smaller and up', () => {
      const { state, allocatable } = reports.at(-1) ?? {};
      return state === 'Up' && allocatable?.pods === '10';
    });

    proxy.cut(false);
    await until('it is back', async () => (await reachable(lost)) === true);
    expect((await provider.get(OWNER, lost, reading))?.observation).toEqual(before?.observation);
    await until('lists are complete', async () => (await provider.list(OWNER, reading)).complete);
    end.abort();
  });
});
