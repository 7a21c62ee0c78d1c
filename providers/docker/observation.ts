/** From what an engine shows of a pod to what Kubernetes is told of it. Pure. */
import type { ContainerState, Pod } from '../../src/kube/types.ts';
import type { BackendPod, ContainerObservation } from '../../src/provider/contract.ts';
import { backOffLeft } from './decision.ts';
import type { PodState, RunState } from './pod-state.ts';

/** Why a container waits, as far as the replica knows that brings it up: a pull that failed, say. */
export interface Waiting {
  readonly reason: string;
  readonly message?: string;
}

export interface ObservedWith {
  /** Left out where it could not be read: then only what ran is told of. */
  readonly pod: Pod | undefined;
  readonly waiting: ReadonlyMap<string, Waiting>;
  readonly hostIP: string | undefined;
  readonly nowMs: number;
}

export function backendPod(state: PodState, how: ObservedWith): BackendPod {
  const { ref, owner, zone, epoch, hash, sandbox } = state;
  const { pod, hostIP } = how;
  const { initContainers = [], containers = [], hostNetwork } = pod?.spec ?? {};
  const names = pod === undefined ? [...state.runs.keys()] : [...initContainers, ...containers].map(({ name }) => name);
  const initializing = initContainers.length > 0 && !containers.some(({ name }) => state.runs.has(name));
  const regular = new Set(containers.map(({ name }) => name));
  const addresses = hostNetwork === true && hostIP !== undefined ? [hostIP] : sandbox.addresses;
  const startTime = sandbox.createdAt;
  return {
    ref,
    owner,
    zone,
    epoch,
    hash,
    handle: sandbox.id,
    deleting: state.killAtMs !== undefined,
    observation: {
      reachable: true,
      containers: names.map((name) =>
        containerObservation(name, state, how, initializing && regular.has(name) ? 'PodInitializing' : undefined),
      ),
      podIPs: addresses,
      ...(hostIP === undefined ? {} : { hostIP }),
      startTime,
    },
  };
}

function containerObservation(
  name: string,
  state: PodState,
  { pod, waiting, nowMs }: ObservedWith,
  initializing: string | undefined,
): ContainerObservation {
  const [run, before] = state.runs.get(name) ?? [];
  const problem = waiting.get(name);
  if (run === undefined) {
    const { initContainers = [], containers = [] } = pod?.spec ?? {};
    const image = [...initContainers, ...containers].find((container) => container.name === name)?.image ?? '';
    return {
      name,
      state: { waiting: problem ?? { reason: initializing ?? 'ContainerCreating' } },
      restartCount: 0,
      image,
    };
  }
  const common = {
    name,
    restartCount: run.attempt,
    image: run.image,
    imageID: run.imageID,
    containerID: `docker://${run.id}`,
  };
  const last = before === undefined ? {} : { lastState: { terminated: terminated(before) } };
  if (run.phase === 'running') {
    return { ...common, ...last, state: { running: run.startedAt === undefined ? {} : { startedAt: run.startedAt } } };
  }
  if (run.phase === 'made')
    return { ...common, ...last, state: { waiting: problem ?? { reason: 'ContainerCreating' } } };
  const ended = { terminated: terminated(run) };
  if (state.killAtMs !== undefined || !mayRestart(run, pod)) return { ...common, ...last, state: ended };
  if (problem !== undefined) return { ...common, state: { waiting: problem }, lastState: ended };
  const waitMs = backOffLeft(run, nowMs);
  if (waitMs <= 0) return { ...common, ...last, state: ended };
  const { name: podName, namespace, uid } = state.ref;
  const of = `container=${name} pod=${podName}_${namespace}(${uid})`;
  const message = `back-off ${duration(run.backOffMs)} restarting failed ${of}`;
  return { ...common, state: { waiting: { reason: 'CrashLoopBackOff', message } }, lastState: ended };
}

function mayRestart({ role, exitCode, phase }: RunState, pod: Pod | undefined): boolean {
  const { restartPolicy = 'Always' } = pod?.spec ?? {};
  if (role === 'sidecar') return true;
  const failed = phase === 'failed-to-start' || exitCode !== 0;
  if (role === 'init') return restartPolicy !== 'Never' && failed;
  return restartPolicy === 'Always' || (restartPolicy === 'OnFailure' && failed);
}

function terminated(run: RunState): NonNullable<ContainerState['terminated']> {
  const containerID = `docker://${run.id}`;
  if (run.phase === 'failed-to-start') {
    // What a kubelet shows where the runtime could not start the process.
    return {
      exitCode: 128,
      reason: 'StartError',
      message: run.error,
      startedAt: '1970-01-01T00:00:00Z',
      finishedAt: run.createdAt,
      containerID,
    };
  }
  return {
    exitCode: run.exitCode,
    reason: run.oomKilled ? 'OOMKilled' : run.exitCode === 0 ? 'Completed' : 'Error',
    ...(run.message === undefined || run.message === '' ? {} : { message: run.message }),
    ...(run.startedAt === undefined ? {} : { startedAt: run.startedAt }),
    ...(run.finishedAt === undefined ? {} : { finishedAt: run.finishedAt }),
    containerID,
  };
}

/** `10s`, `1m20s`, `5m0s`: as a kubelet writes it. */
function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
