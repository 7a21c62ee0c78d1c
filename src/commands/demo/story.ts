/**
 * The demo unattended: start, pods run, SIGKILL of one leader, take-over, SIGTERM of another, scale, stop. What it saw is
 * its result; it is right only when no pod restarted, none was created twice and no node left Ready.
 */
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { endLeader } from './failover.ts';
import { duplicateCreates, readJournal } from './journal.ts';
import type { Observer } from './observer.ts';
import { peersConnected } from './peers-connected.ts';
import type { Stage } from './stage.ts';
import { waitFor } from './wait-for.ts';
import { removeWorkload, scale } from './workload.ts';

export interface Summary {
  readonly pods: number;
  /** One for each leader that was ended: the SIGKILL first, then the SIGTERM. */
  readonly takeover_ms: readonly number[];
  readonly restarts: number;
  readonly duplicates: number;
  readonly node_not_ready_ms: number;
  readonly ok: boolean;
}

export interface StoryOptions {
  readonly stage: Stage;
  readonly client: KubeClient;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly pods: number;
  readonly signal: AbortSignal;
  /** Tells what happens, one line at a time. */
  say(line: string): void;
}

const LIMIT_MS = 60_000;
/** They are dialed within two seconds of a replica's start. Without them the story is only slower. */
const PEERS_LIMIT_MS = 15_000;

/** Plays from the moment that all pods run; the caller has set the stage and deployed the workload. */
export async function playStory(options: StoryOptions): Promise<Summary> {
  const { stage, client, observer, clock, pods, signal, say } = options;
  const wait = (what: string, holds: () => boolean): Promise<void> =>
    waitFor(what, holds, { clock, limitMs: LIMIT_MS, signal, onChange: observer.onChange });
  const leaderOf = (index: number): string | undefined => observer.zones()[index]?.leader;
  const replica = (name: string | undefined): Stage['replicas'][number] => {
    const found = stage.replicas.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no replica ${name ?? '(none)'} of this demo leads the zone`);
    return found;
  };
  const takeovers: number[] = [];

  say('waiting until every replica holds a connection to every other one: its end tells them of a death');
  try {
    const connected = () => peersConnected(stage);
    await waitFor('the connections', connected, { clock, limitMs: PEERS_LIMIT_MS, signal });
  } catch (error) {
    if (signal.aborted) throw error;
    say(`${messageOf(error)}: the first take-over has to wait for the lease`);
  }

  for (const [zoneIndex, with_] of [
    [0, 'SIGKILL'],
    [1 % observer.zones().length, 'SIGTERM'],
  ] as const) {
    const victim = replica(leaderOf(zoneIndex));
    say(`${with_} to ${victim.name}, which leads ${observer.zones()[zoneIndex]?.zone}`);
    const { takeoverMs, zones, successors } = await endLeader(victim, with_, observer, clock, signal);
    takeovers.push(takeoverMs);
    say(
      `${zones.join(', ')} led by ${successors.join(', ')} after ${takeoverMs} ms; ${observer.runningPods} pods run on`,
    );
    await victim.child.exited;
    stage.replaceReplica(victim.name);
    say(`${victim.name} started again, as a new pod`);
  }

  const more = pods + Math.max(1, Math.floor(pods / 2));
  say(`scaling from ${pods} to ${more} pods`);
  await scale(client, stage.namespace, more);
  await wait(`${more} running pods`, () => observer.runningPods === more);
  say(`${observer.runningPods} pods run`);

  const { restarts, lost, notReadyMs } = observer.score();
  observer.expectDepartures();
  say('removing the workload');
  await removeWorkload(client, stage.namespace);
  await wait('the end of all pods', () => observer.zones().every((zone) => sum(zone.pods) === 0));

  const duplicates = duplicateCreates(await Promise.all(stage.zones.map(({ journal }) => readJournal(journal))));
  return {
    pods: more,
    takeover_ms: takeovers,
    restarts: restarts + lost,
    duplicates,
    node_not_ready_ms: Math.round(notReadyMs),
    ok: restarts === 0 && lost === 0 && duplicates === 0 && notReadyMs === 0,
  };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}
