/** What the outside sees of a pod's containers: their states as a kubelet tells them. Pure. */
import type { ContainerState } from '../kube/types.ts';
import { durationText } from './back-off.ts';
import { type ContainerRecord, isStarted, type LifeRecord, type PodSpec, runs, secondsText, specOf } from './record.ts';

export interface ContainerView {
  readonly name: string;
  readonly state: ContainerState;
  readonly lastState?: ContainerState;
  readonly restartCount: number;
  readonly ready: boolean;
  readonly started: boolean;
  readonly image: string;
}

/** @param pod as a kubelet names it: `name_namespace(uid)` */
export function containerView(
  container: ContainerRecord,
  record: LifeRecord,
  spec: PodSpec | undefined,
  pod: string,
): ContainerView {
  const { name, image, restartCount, before, end, phase, role } = container;
  const started = isStarted(container, spec);
  const common = { name, restartCount, image, started, ready: isReady(container, spec) };
  const last = before === undefined ? {} : { lastState: before };
  // Created, and held back from view until its hook has let it go on.
  if (phase === 'pending' || phase === 'starting' || isBeingHooked(container)) {
    const waitsForInit = phase === 'pending' && role !== 'ephemeral' && hasInit(spec);
    return {
      ...common,
      ...last,
      state: { waiting: { reason: waitsForInit ? 'PodInitializing' : 'ContainerCreating' } },
    };
  }
  if (phase === 'running') {
    return {
      ...common,
      ...last,
      state: { running: { startedAt: secondsText(container.startedAtMs ?? record.beganAtMs) } },
    };
  }
  if (phase === 'resting') {
    const message = `back-off ${durationText(container.restDelayMs ?? 0)} restarting failed container=${name} pod=${pod}`;
    return {
      ...common,
      ...(end === undefined ? {} : { lastState: end }),
      state: { waiting: { reason: 'CrashLoopBackOff', message } },
    };
  }
  return { ...common, ...last, state: end ?? { terminated: { exitCode: 255, reason: 'Unknown' } } };
}

function isBeingHooked({ phase, postStart, unhealthy }: ContainerRecord): boolean {
  return phase === 'running' && (postStart === true || unhealthy === 'postStart');
}

function isReady(container: ContainerRecord, spec: PodSpec | undefined): boolean {
  if (container.role === 'init') return container.phase === 'ended' && container.end?.terminated.exitCode === 0;
  if (container.role === 'ephemeral' || !isStarted(container, spec)) return false;
  return container.ready === true || specOf(spec, container.name)?.readinessProbe === undefined;
}

function hasInit(spec: PodSpec | undefined): boolean {
  return (spec?.initContainers?.length ?? 0) > 0;
}

/** The pod as a whole has failed, once nothing of it runs: a phase is terminal only then. */
export function failureView({ failure, containers }: LifeRecord) {
  if (failure === undefined || containers.some(runs)) return {};
  return { phase: 'Failed', ...failure } as const;
}
