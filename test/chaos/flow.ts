/** A steady flow of pods that come and go, bound to the nodes by hand: no scheduler stands between. */
import { sleep } from '../../src/clock.ts';
import { PODS } from '../../src/kube/resources.ts';
import type { Pod } from '../../src/kube/types.ts';
import { barePod, podNamed } from '../scenarios/support/pods.ts';
import type { Field } from './field.ts';

export interface Flow {
  readonly created: number;
  readonly deleted: number;
  /** Many more at once on a zone, so that its leader is in the middle of its work. */
  surge(zone: string): void;
  /** The same; resolves once the first has begun to run. */
  burst(zone: string): Promise<void>;
  go(): void;
  /** Resolves once nothing more comes. */
  pause(): Promise<void>;
}

const LABEL = 'zonelet-chaos';
const EVERY_MS = { least: 50, most: 350 } as const;
/** About as many at once. */
const POPULATION = 30;
const BURST = 25;
/** Of all deletions. */
const BY_FORCE = 0.1;
const SAME_NAME_AGAIN = 0.5;
/** An API server that is away is part of the play. */
const AFTER_FAILURE_MS = 1_000;

export function flowOfPods(field: Omit<Field, 'flow'>): Flow {
  const { play, dice, clock, signal } = field;
  const { namespace } = play.stage;
  let created = 0;
  let deleted = 0;
  let number = 0;
  let running: Promise<void> = Promise.resolve();
  let stop = new AbortController();
  stop.abort();

  const create = async (name: string, zone = dice.pick(play.stage.zones).name): Promise<void> => {
    const pod = barePod(play, name, zone);
    pod.metadata = { ...pod.metadata, labels: { [LABEL]: 'true' } };
    await play.client.create(PODS, pod);
    created++;
  };
  const remove = async ({ metadata }: Pod): Promise<void> => {
    const name = metadata?.name ?? '';
    const force = dice.next() < BY_FORCE;
    const again = force && dice.next() < SAME_NAME_AGAIN;
    await play.client.delete(PODS, { namespace, name }, force ? { gracePeriodSeconds: 0 } : {});
    deleted++;
    if (again) await create(name);
  };
  const step = async (): Promise<void> => {
    const alive = play.history
      .currentPods()
      .filter(({ metadata }) => metadata?.labels?.[LABEL] !== undefined && metadata.deletionTimestamp === undefined);
    // More of what there is too little of.
    if (dice.next() * 2 * POPULATION > alive.length) await create(`chaos-${++number}`);
    else await remove(dice.pick(alive));
  };
  const flow = async (ended: AbortSignal): Promise<void> => {
    while (!ended.aborted) {
      await sleep(clock, dice.between(EVERY_MS.least, EVERY_MS.most), ended);
      if (ended.aborted) return;
      try {
        await step();
      } catch {
        // Whatever became of it: what comes next is to be decided on what there is.
        await sleep(clock, AFTER_FAILURE_MS, ended);
        await play.history.caughtUp().catch(() => {});
      }
    }
  };
  const surge = (zone: string): string[] => {
    const names = Array.from({ length: BURST }, () => `chaos-${++number}`);
    void Promise.allSettled(names.map((name) => create(name, zone)));
    return names;
  };
  return {
    get created() {
      return created;
    },
    get deleted() {
      return deleted;
    },
    surge: (zone) => void surge(zone),
    async burst(zone) {
      const names = surge(zone);
      await play.until('the first of a burst of pods', () =>
        names.some((name) => podNamed(play, name)?.status?.phase === 'Running'),
      );
    },
    go() {
      stop = new AbortController();
      running = flow(AbortSignal.any([stop.signal, signal]));
    },
    async pause() {
      stop.abort();
      await running;
    },
  };
}
