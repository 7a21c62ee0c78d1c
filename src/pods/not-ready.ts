/**
 * Says of a node's pods that they are not ready. When a node is not heard of, the node controller does; when a node says
 * itself that it is not Ready nobody does, and Services would go on sending to pods that nobody reaches. Pods are taken
 * from the API alone: the backend, and what this leader knows of it, may be gone.
 */
import type { Clock } from '../clock.ts';
import { createBell } from '../election/bell.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { TermClient } from '../fence/term-client.ts';
import type { Informer } from '../kube/informer.ts';
import { PODS } from '../kube/resources.ts';
import type { Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { NodeReadiness } from './context.ts';
import { isTerminalPhase } from './phase.ts';
import { timestamp } from './timestamp.ts';

export interface MarkNotReadyOptions {
  /** Pods of the node. */
  readonly pods: Informer<Pod>;
  readonly readiness: NodeReadiness;
  readonly writes: TermClient;
  readonly clock: Clock;
  readonly log: Logger;
}

const AT_ONCE = 16;
/** The cache shows an own write only a little later, and pods may still be bound meanwhile. */
const AGAIN_MS = 2_000;
/** Nothing is to be done but on news. */
const IDLE_MS = 60_000;

/** While the node is not Ready, until the signal aborts. Never throws. */
export async function keepPodsNotReady(options: MarkNotReadyOptions, signal: AbortSignal): Promise<void> {
  const { pods, readiness, clock } = options;
  const bell = createBell(clock);
  const unsubscribe = readiness.subscribe(() => bell.ring());
  while (!signal.aborted) {
    const due = readiness.notReady() === undefined ? [] : pods.list().filter(saysReady);
    const work = async (): Promise<void> => {
      for (let pod = due.pop(); pod !== undefined && !signal.aborted; pod = due.pop()) await mark(options, pod, signal);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    await bell.wait(readiness.notReady() === undefined ? IDLE_MS : AGAIN_MS, signal);
  }
  unsubscribe();
}

function saysReady({ status }: Pod): boolean {
  if (isTerminalPhase(status?.phase)) return false;
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}

async function mark(
  { readiness, writes, clock, log }: MarkNotReadyOptions,
  pod: Pod,
  signal: AbortSignal,
): Promise<void> {
  const why = readiness.notReady();
  if (why === undefined) return;
  const ready = { type: 'Ready', status: 'False', ...why, lastTransitionTime: timestamp(clock.now()) };
  const patch = { type: 'strategic', body: { status: { conditions: [ready] } } } as const;
  try {
    await writes.patch(PODS, pod, patch, { subresource: 'status', signal });
  } catch (error) {
    // Gone, or changed since: the next look sees what it is then.
    if (signal.aborted || hasCode(error, 'NotFound', 'Conflict')) return;
    log.warn(
      { uid: pod.metadata?.uid, error: messageOf(error) },
      'a pod was not marked as not ready; it is tried again',
    );
  }
}
