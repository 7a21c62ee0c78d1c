/** When faults stop, everything is as it should be again: who leads, what runs, and that the backends have just that. */
import type { JournalEntry } from '../../src/commands/demo/journal.ts';
import type { Pod } from '../../src/kube/types.ts';
import type { Play } from '../scenarios/support/play.ts';
import { workloadPods } from '../scenarios/support/pods.ts';
import { leads } from '../scenarios/support/replica.ts';
import type { Field } from './field.ts';

/** Two complete lists 30 s apart, and the same once more when one of them failed. */
const ORPHAN_LIMIT_MS = 150_000;

/** Throws what is still missing when it takes too long. */
export async function calm({ play }: Field, pods: number): Promise<void> {
  for (const { name, child } of play.stage.replicas) {
    // A replica that was blocked beyond its lease may have ended itself: a kubelet starts the container again.
    await play.until(`${name} to be ready`, async () => {
      if (!child.running && !play.stage.part(name).running) play.stage.restart(name);
      return await isReady(play, name);
    });
  }
  await play.until('a leader for every zone, who knows that it is', async () => {
    const led = await Promise.all(play.stage.zones.map(({ name }) => isLed(play, name)));
    return led.every((yes) => yes);
  });
  await play.until('all pods to run or to be gone', () => {
    const all = play.history.currentPods();
    return workloadPods(play).length === pods && all.every(isSettled);
  });
  await play.until('the backends to have what the API wants', async () => {
    const journals = await play.journals();
    return play.stage.zones.every(({ name, nodeName }) => {
      const there = onBackend(journals.get(name) ?? []);
      return wantedOn(play, nodeName).every((uid) => there.has(uid));
    });
  });
}

/** Pods that were deleted by force while nobody looked leave the backend only after some time. */
export async function noOrphans({ play }: Field): Promise<void> {
  await play.until(
    'the backends to have nothing else than what the API wants',
    async () => {
      const journals = await play.journals();
      return play.stage.zones.every(({ name, nodeName }) => {
        const wanted = new Set(wantedOn(play, nodeName));
        return [...onBackend(journals.get(name) ?? [])].every((uid) => wanted.has(uid));
      });
    },
    ORPHAN_LIMIT_MS,
  );
}

async function isReady(play: Play, replica: string): Promise<boolean> {
  const port = play.stage.replicas.find(({ name }) => name === replica)?.httpPort;
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(2_000) });
  return answer.ok;
}

/** By the Node, which is Ready, and by the word of the replica that it names, and of no other. */
async function isLed(play: Play, zone: string): Promise<boolean> {
  const view = play.observer.zones().find((each) => each.zone === zone);
  if (view?.ready !== true) return false;
  const leaders = await Promise.all(
    play.stage.replicas.map(async ({ name }) => ((await leads(play, name, zone)) ? [name] : [])),
  );
  return leaders.flat().join() === view.leader;
}

function isSettled({ metadata, status }: Pod): boolean {
  return metadata?.deletionTimestamp === undefined && status?.phase === 'Running';
}

function wantedOn(play: Play, nodeName: string): string[] {
  return play.history
    .currentPods()
    .filter(({ spec }) => spec?.nodeName === nodeName)
    .map(({ metadata }) => metadata?.uid ?? '');
}

/** By what the backend says that it did. */
function onBackend(entries: readonly JournalEntry[]): Set<string> {
  const there = new Set<string>();
  for (const { op, outcome, uid = '' } of entries) {
    if (outcome === 'refused') continue;
    // Adopted: it was there, and a backend that was killed may not have come to writing down how.
    if (op === 'create') there.add(uid);
    if (op === 'delete') there.delete(uid);
  }
  return there;
}
