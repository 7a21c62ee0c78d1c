import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { parseTime } from '../../src/kube/micro-time.ts';
import { openScenario, PATIENT_ELECTION } from './support/play.ts';
import { restarts, scaleTo, uids, workloadPods } from './support/pods.ts';

const SHIFTED = pathToFileURL(join(import.meta.dirname, 'support/shifted-clock.ts')).href;

test("a leader's wall clock is set 10 minutes ahead, then 10 behind: no change of leader, no rewound heartbeat", async () => {
  await using play = await openScenario({
    pods: 6,
    env: { NODE_OPTIONS: `--import=${SHIFTED}` },
    settings: () => ({ election: PATIENT_ELECTION }),
  });
  const before = uids(workloadPods(play));
  const [zone] = play.stage.zones;
  const { name = '', nodeName = '' } = zone ?? {};
  const leader = play.leaderOf(name) ?? '';
  const epochs = play.stage.zones.map((each) => play.epochOf(each.name));
  const { logFile } = play.stage.part(leader);
  const renewals = (): number[] =>
    play.history.leases
      .filter(({ object }) => object.metadata?.name === nodeName && object.metadata.namespace === 'kube-node-lease')
      .map(({ object }) => parseTime(object.spec?.renewTime) ?? 0);
  for (const offset of [600_000, -600_000]) {
    play.stage.part(leader).kill('SIGUSR2');
    await play.until('the clock to be set', async () =>
      (await readFile(logFile, 'utf8')).includes(`"offsetMs":${offset}}`),
    );
    const known = renewals().length;
    const pods = workloadPods(play).length;
    await scaleTo(play, pods + 3);
    // A heartbeat under that clock.
    await play.until('a heartbeat', () => renewals().length > known);
  }
  expect(play.stage.zones.map((each) => play.epochOf(each.name))).toEqual(epochs);
  expect(play.leaderOf(name)).toBe(leader);
  const beats = renewals();
  expect(beats).toEqual([...beats].sort((a, b) => a - b));
  expect(new Set(beats).size).toBe(beats.length);
  expect(uids(workloadPods(play))).toEqual(expect.arrayContaining(before));
  expect(restarts(workloadPods(play))).toBe(0);
  await play.checkInvariants({ clocksSet: true });
});
