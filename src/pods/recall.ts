/**
 * What the shared pod state adds to a pod's own status: facts that were published, or would have been had the API server
 * answered. Restart counts never fall, and what has ended stays so, also when the backend has forgotten it. Pure.
 */
import type { ContainerStatus, Pod, PodStatus } from '../kube/types.ts';
import type { EndedContainer, PublishedFacts } from '../state/contract.ts';
import { isTerminalPhase } from './phase.ts';

/** The pod as if these facts were in its status. */
export function withFacts(pod: Pod, facts: PublishedFacts | undefined): Pod {
  if (facts === undefined || (facts.restarts === undefined && facts.ended === undefined)) return pod;
  const status = pod.status ?? {};
  const ended = isTerminalPhase(status.phase) ? undefined : facts.ended;
  const recall = (statuses: readonly ContainerStatus[] | undefined, names: readonly string[]): ContainerStatus[] => {
    const known = new Map((statuses ?? []).map((each) => [each.name, each]));
    return names.flatMap((name): ContainerStatus[] => {
      const before = known.get(name);
      const restarts = facts.restarts?.[name] ?? 0;
      const end = ended?.containers[name];
      if (before === undefined && restarts === 0 && end === undefined) return [];
      const base = before ?? { name, ready: false, restartCount: 0, image: '', imageID: '' };
      return [
        {
          ...base,
          restartCount: Math.max(base.restartCount, restarts),
          ...(end === undefined ? {} : { state: terminated(end), ready: false, started: false }),
        },
      ];
    });
  };
  const init = recall(status.initContainerStatuses, names(pod.spec?.initContainers));
  const containers = recall(status.containerStatuses, names(pod.spec?.containers));
  return {
    ...pod,
    status: {
      ...status,
      ...(init.length === 0 ? {} : { initContainerStatuses: init }),
      ...(containers.length === 0 ? {} : { containerStatuses: containers }),
      ...(ended === undefined ? {} : endOf(ended)),
    },
  };
}

/** Of a status that is about to be published, what must never go back. */
export function factsOf(status: PodStatus): PublishedFacts | undefined {
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  const restarts = all.filter(({ restartCount }) => restartCount > 0).map((each) => [each.name, each.restartCount]);
  const { phase, reason, message } = status;
  const hasEnded = phase === 'Succeeded' || phase === 'Failed';
  if (restarts.length === 0 && !hasEnded) return undefined;
  return {
    ...(restarts.length === 0 ? {} : { restarts: Object.fromEntries(restarts) as Record<string, number> }),
    ...(hasEnded
      ? {
          ended: {
            phase,
            ...(reason === undefined ? {} : { reason }),
            ...(message === undefined ? {} : { message }),
            containers: Object.fromEntries(all.flatMap(endedContainer)),
          },
        }
      : {}),
  };
}

function endedContainer({ name, state }: ContainerStatus): [string, EndedContainer][] {
  const end = state?.terminated;
  if (end === undefined || end === null) return [];
  const { exitCode, reason, startedAt, finishedAt } = end;
  return [
    [
      name,
      {
        exitCode,
        ...(reason === undefined ? {} : { reason }),
        ...(startedAt === undefined ? {} : { startedAt: String(startedAt) }),
        ...(finishedAt === undefined ? {} : { finishedAt: String(finishedAt) }),
      },
    ],
  ];
}

function endOf({ phase, reason, message }: NonNullable<PublishedFacts['ended']>): PodStatus {
  return { phase, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

function terminated(end: EndedContainer): NonNullable<ContainerStatus['state']> {
  return { terminated: { ...end } };
}

function names(containers: readonly { readonly name: string }[] | undefined): string[] {
  return (containers ?? []).map(({ name }) => name);
}
