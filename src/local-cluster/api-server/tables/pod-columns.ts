/** Source: printPod. */
import { parseTime } from '../../../kube/micro-time.ts';
import type { ContainerStatus, Pod } from '../../../kube/types.ts';
import { duration } from './age.ts';
import type { Column } from './column.ts';

const NONE = '<none>';

export const podColumns: readonly Column[] = [
  { name: 'Ready', type: 'string', cell: (object) => ready(object as Pod) },
  { name: 'Status', type: 'string', cell: (object) => podReason(object as Pod) },
  { name: 'Restarts', type: 'string', cell: (object, nowMs) => restarts(object as Pod, nowMs) },
  {
    name: 'IP',
    type: 'string',
    priority: 1,
    cell: (object) => {
      const { podIPs, podIP } = (object as Pod).status ?? {};
      return podIPs?.[0]?.ip ?? podIP ?? NONE;
    },
  },
  { name: 'Node', type: 'string', priority: 1, cell: (object) => (object as Pod).spec?.nodeName ?? NONE },
  {
    name: 'Nominated Node',
    type: 'string',
    priority: 1,
    cell: (object) => (object as Pod).status?.nominatedNodeName ?? NONE,
  },
  { name: 'Readiness Gates', type: 'string', priority: 1, cell: (object) => gates(object as Pod) },
];

function ready({ spec, status }: Pod): string {
  const count = (status?.containerStatuses ?? []).filter(({ ready: isReady }) => isReady).length;
  return `${count}/${(spec?.containers ?? []).length}`;
}

function gates({ spec, status }: Pod): string {
  const wanted = spec?.readinessGates ?? [];
  if (wanted.length === 0) return NONE;
  const met = wanted.filter(({ conditionType }) =>
    status?.conditions?.some((condition) => condition.type === conditionType && condition.status === 'True'),
  );
  return `${met.length}/${wanted.length}`;
}

function restarts({ status }: Pod, nowMs: number): string {
  const all = status?.containerStatuses ?? [];
  const count = all.reduce((sum, { restartCount }) => sum + restartCount, 0);
  const ends = all
    .map(({ lastState }) => parseTime(lastState?.terminated?.finishedAt))
    .filter((time) => time !== undefined);
  return count === 0 || ends.length === 0 ? String(count) : `${count} (${duration(nowMs - Math.max(...ends))} ago)`;
}

function podReason({ spec, status, metadata }: Pod): string {
  let reason = status?.reason ?? status?.phase ?? '';
  const gated = status?.conditions?.some(
    ({ type, reason: why }) => type === 'PodScheduled' && why === 'SchedulingGated',
  );
  if (gated === true) reason = 'SchedulingGated';
  const inits = status?.initContainerStatuses ?? [];
  let initializing = false;
  for (const [i, container] of inits.entries()) {
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    const sidecar = spec?.initContainers?.find(({ name }) => name === container.name)?.restartPolicy === 'Always';
    if (sidecar && container.started === true) continue;
    if (terminated !== undefined) reason = `Init:${ended(terminated)}`;
    else if (waiting?.reason !== undefined && waiting.reason !== 'PodInitializing') reason = `Init:${waiting.reason}`;
    else reason = `Init:${i}/${(spec?.initContainers ?? []).length}`;
    initializing = true;
    break;
  }
  if (!initializing) reason = mainReason(status?.containerStatuses ?? [], reason);
  if (metadata?.deletionTimestamp === undefined) return reason;
  if (status?.reason === 'NodeLost') return 'Unknown';
  return status?.phase === 'Failed' || status?.phase === 'Succeeded' ? reason : 'Terminating';
}

function mainReason(statuses: readonly ContainerStatus[], before: string): string {
  let reason = before;
  let isRunning = false;
  for (const { state, ready: isReady } of statuses.toReversed()) {
    if (state?.waiting?.reason !== undefined) reason = state.waiting.reason;
    else if (state?.terminated !== undefined) reason = ended(state.terminated);
    else if (isReady && state?.running !== undefined) isRunning = true;
  }
  return reason === 'Completed' && isRunning ? 'Running' : reason;
}

function ended({ reason, signal, exitCode }: { reason?: string; signal?: number; exitCode: number }): string {
  if (reason !== undefined && reason !== '') return reason;
  return signal !== undefined && signal !== 0 ? `Signal:${signal}` : `ExitCode:${exitCode}`;
}
