/**
 * The conditions that a kubelet owns on a pod, made as it makes them (kubelet, pkg/kubelet/status/generate.go), merged
 * with those that others wrote, which are kept as they are and where they are. A transition time changes only with the
 * status. Pure.
 */
import type { ContainerStatus, Pod, PodCondition } from '../kube/types.ts';
import { isSidecar, type PodPhase } from './phase.ts';

interface ConditionInput {
  readonly pod: Pod;
  readonly phase: PodPhase;
  /** Of the containers and the init containers; undefined before anything is known of them. */
  readonly statuses: readonly ContainerStatus[];
  /** The backend took the pod on and gave it what containers need to start (an address). */
  readonly sandbox: boolean;
  /** Set when the backend cannot see the pod now: only Ready is turned off. */
  readonly unreachable?: string;
  /** Set while the node itself says that it is not Ready: only Ready is turned off. */
  readonly nodeNotReady?: { readonly reason: string; readonly message: string };
  /** RFC 3339. */
  readonly now: string;
}

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>;

const TRUE: Verdict = { status: 'True' };

/** The pod's new list of conditions. */
export function podConditions(input: ConditionInput): PodCondition[] {
  const before = input.pod.status?.conditions ?? [];
  const containersReady = containersReadyVerdict(input);
  const own: Record<string, Verdict> = {
    PodReadyToStartContainers: { status: input.sandbox ? 'True' : 'False' },
    Initialized: initializedVerdict(input),
    Ready: readyVerdict(input, containersReady, before),
    ContainersReady: containersReady,
    PodScheduled: TRUE,
  };
  const result: PodCondition[] = before.map((condition) => {
    const verdict = own[condition.type];
    delete own[condition.type];
    return verdict === undefined ? condition : build(condition.type, verdict, condition, input);
  });
  for (const [type, verdict] of Object.entries(own)) result.push(build(type, verdict, undefined, input));
  return result;
}

function build(type: string, verdict: Verdict, before: PodCondition | undefined, input: ConditionInput): PodCondition {
  const generation = input.pod.metadata?.generation;
  return {
    type,
    ...verdict,
    lastTransitionTime:
      before?.status === verdict.status && before.lastTransitionTime !== undefined
        ? before.lastTransitionTime
        : input.now,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}

function containersReadyVerdict({ pod, phase, statuses }: ConditionInput): Verdict {
  const must = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])];
  const unknown: string[] = [];
  const unready: string[] = [];
  for (const { name } of must) {
    const status = statuses.find((candidate) => candidate.name === name);
    if (status === undefined) unknown.push(name);
    else if (!status.ready) unready.push(name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const messages = [...listed('unknown status', unknown), ...listed('unready status', unready)];
  return messages.length === 0 ? TRUE : { status: 'False', reason: 'ContainersNotReady', message: messages.join(', ') };
}

function readyVerdict(
  { pod, unreachable, nodeNotReady }: ConditionInput,
  containersReady: Verdict,
  before: readonly PodCondition[],
): Verdict {
  if (containersReady.status !== 'True') return containersReady;
  if (nodeNotReady !== undefined) return { status: 'False', ...nodeNotReady };
  if (unreachable !== undefined) return { status: 'False', reason: 'BackendUnreachable', message: unreachable };
  const messages: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const condition = before.find((candidate) => candidate.type === conditionType);
    if (condition === undefined) {
      messages.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    } else if (condition.status !== 'True') {
      messages.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`);
    }
  }
  return messages.length === 0
    ? TRUE
    : { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

function initializedVerdict({ pod, phase, statuses }: ConditionInput): Verdict {
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const container of pod.spec?.initContainers ?? []) {
    const status = statuses.find((candidate) => candidate.name === container.name);
    if (status === undefined) unknown.push(container.name);
    else if (isSidecar(container) ? status.started !== true : !status.ready) incomplete.push(container.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' };
  const started = (pod.spec?.containers ?? []).some(({ name }) => {
    const state = statuses.find((candidate) => candidate.name === name)?.state;
    return state?.running !== undefined || state?.terminated !== undefined;
  });
  const messages = [...listed('unknown status', unknown), ...listed('incomplete status', incomplete)];
  return started || messages.length === 0
    ? TRUE
    : { status: 'False', reason: 'ContainersNotInitialized', message: messages.join(', ') };
}

/** In the words of a kubelet: `containers with unready status: [a b]`. */
function listed(what: string, names: readonly string[]): string[] {
  return names.length === 0 ? [] : [`containers with ${what}: [${names.join(' ')}]`];
}
