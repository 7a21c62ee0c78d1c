/**
 * Whether a pod's status proves that a process in it has ended.
 *
 * Only what the kubelet says of the container itself counts, because it alone sees it. Not the phase: pod garbage
 * collection writes Failed for pods of a node that is gone, and what runs there may go on. Not `ContainerStatusUnknown`:
 * the kubelet writes that as the end of a container of which it found no trace. Not deletion, readiness, a missing pod.
 *
 * A container that ended may be an earlier one than the process's own: the status lags behind, and may still show the end of
 * the one before while its successor runs already. So the end has to be later than a moment at which the process was
 * alive. Both times are of one clock, the machine's that both run on. Then what ended was the process or a later one of
 * its container, and a later one begins only when the one before is gone.
 */
import { parseTime } from '../kube/micro-time.ts';
import type { Pod } from '../kube/types.ts';

/** A process in a pod's container, as it tells of itself. */
export interface ContainedProcess {
  /** Name of the container; undefined: the pod has only one. */
  readonly container: string | undefined;
  /** By its machine's wall clock, in milliseconds since the epoch. */
  readonly aliveAt: number;
}

/** As the kubelet gives it: "The container could not be located when the pod was terminated". */
const UNKNOWN = 'ContainerStatusUnknown';

export function hasEnded(pod: Pod, { container, aliveAt }: ContainedProcess): boolean {
  const names = pod.spec?.containers.map(({ name }) => name) ?? [];
  const name = container ?? (names.length === 1 ? names[0] : undefined);
  const status = pod.status?.containerStatuses?.find((each) => each.name === name);
  // The last one that ended, also while the next is waiting or runs.
  return [status?.state?.terminated, status?.lastState?.terminated].some((terminated) => {
    if (terminated === undefined || terminated.reason === UNKNOWN) return false;
    // Whole seconds, cut: it was at this time or up to a second later.
    const finishedAt = parseTime(terminated.finishedAt);
    return finishedAt !== undefined && finishedAt >= aliveAt;
  });
}

/** As told in an annotation of the candidate Lease. */
export function formatContainedProcess({ container, aliveAt }: ContainedProcess): string {
  return JSON.stringify({ container, aliveAt: Math.ceil(aliveAt) });
}

/** Undefined for what is not written in this form. */
export function parseContainedProcess(text: string | undefined): ContainedProcess | undefined {
  try {
    const { container, aliveAt } = JSON.parse(text ?? '') as Partial<Record<keyof ContainedProcess, unknown>>;
    if (typeof aliveAt !== 'number' || (container !== undefined && typeof container !== 'string')) return undefined;
    return { container, aliveAt };
  } catch {
    return undefined;
  }
}
