/** The demo for people: a screen that is drawn anew as things change, and keys. */

import { messageOf } from '../../errors.ts';
import type { Input, Output } from '../environment.ts';
import { endLeader } from './failover.ts';
import type { Play, Staging } from './play.ts';
import { drawScreen, seconds } from './screen.ts';
import type { Replica } from './stage.ts';
import { scale } from './workload.ts';

export interface InteractiveOptions extends Staging {
  readonly play: Play;
  readonly stdin: Input;
  readonly stdout: Output;
}

/** Nothing is drawn more often; nothing waits longer, so that the times go on. */
const FRAME_MS = 100;
const TICK_MS = 500;
/** As long as a StatefulSet's controller and a kubelet need to bring a pod back. */
const RESTART_MS = 8_000;
const STEP = 3;

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

/** Resolves when the user quits or the signal aborts. */
export async function playInteractively(options: InteractiveOptions): Promise<void> {
  const { play, stage, clock, stdin, stdout, signal } = options;
  const { observer, client } = play;
  const quit = new AbortController();
  const over = AbortSignal.any([signal, quit.signal]);
  const events: string[] = [];
  let wanted = options.pods;
  let frame: { cancel(): void } | undefined;

  const draw = (): void => {
    frame = undefined;
    if (over.aborted) return;
    const text = drawScreen({
      zones: observer.zones(),
      replicas: stage.replicas.map(({ name, homeZone, child }) => ({ name, homeZone, alive: child.running })),
      runningPods: observer.runningPods,
      wantedPods: wanted,
      restarts: observer.score().restarts,
      notReadyMs: observer.score().notReadyMs,
      now: clock.monotonic(),
      events,
      folder: stage.folder,
      kubeconfig: stage.kubeconfig,
      colour: true,
    });
    stdout.write(`${HOME}${text.replaceAll('\n', `${CLEAR_LINE}\n`)}${CLEAR_BELOW}`);
    frame = clock.setTimer(TICK_MS, draw);
  };
  let soon = false;
  const changed = (): void => {
    if (soon) return;
    soon = true;
    clock.setTimer(FRAME_MS, () => {
      soon = false;
      frame?.cancel();
      draw();
    });
  };
  const tell = (line: string): void => {
    events.push(`${new Date(clock.now()).toISOString().slice(11, 19)}  ${line}`);
    changed();
  };

  const kill = async (index: number): Promise<void> => {
    const zone = observer.zones()[index];
    if (zone === undefined) return tell(`there is no zone ${index + 1}`);
    const victim = stage.replicas.find(({ name }) => name === zone.leader);
    if (victim === undefined || !victim.child.running) return tell(`${zone.zone} has no living leader to kill`);
    tell(`SIGKILL to ${victim.name}, which leads ${zone.zone}`);
    clock.setTimer(RESTART_MS, () => restart(victim));
    const { takeoverMs, zones, successors } = await endLeader(victim, 'SIGKILL', observer, clock, over);
    tell(
      `${zones.join(', ')} led by ${successors.join(', ')} after ${seconds(takeoverMs)}; ${observer.runningPods} pods run on`,
    );
  };
  const restart = (victim: Replica): void => {
    if (over.aborted || victim.child.running) return;
    stage.replaceReplica(victim.name);
    tell(`${victim.name} started again as a new pod; ${victim.homeZone} comes home in a minute`);
  };
  const resize = async (by: number): Promise<void> => {
    wanted = Math.max(0, wanted + by);
    if (by < 0) observer.expectDepartures();
    await scale(client, stage.namespace, wanted);
    tell(`scaled to ${wanted} pods`);
  };
  const act = (action: Promise<void>): void => {
    action.catch((error: unknown) => over.aborted || tell(messageOf(error)));
  };
  const onKey = (data: Buffer | string): void => {
    for (const key of data.toString()) {
      if (key === 'q' || key === '\x03' || key === '\x04') quit.abort();
      else if (key >= '1' && key <= '9') act(kill(Number(key) - 1));
      else if (key === '+' || key === '=') act(resize(STEP));
      else if (key === '-') act(resize(-STEP));
    }
  };

  stdout.write(ENTER);
  stdin.setRawMode?.(true);
  stdin.on('data', onKey);
  stdin.resume();
  const unsubscribe = observer.onChange(changed);
  stdout.on?.('resize', changed);
  tell(
    `${observer.runningPods} pods run on ${observer.zones().length} virtual nodes; press 1 to kill the leader of ${observer.zones()[0]?.zone}`,
  );
  try {
    draw();
    await new Promise<void>((resolve) => {
      if (over.aborted) resolve();
      else over.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    frame?.cancel();
    unsubscribe();
    stdout.off?.('resize', changed);
    stdin.off('data', onKey);
    stdin.setRawMode?.(false);
    stdin.pause();
    stdout.write(LEAVE);
  }
}
