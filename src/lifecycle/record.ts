/**
 * What is kept of a pod's containers so that their life can go on after a restart of whoever runs it. Plain data: it is
 * written down as it is. Times are milliseconds since the epoch.
 */
import type { Container, ContainerState, Pod } from '../kube/types.ts';

export type PodSpec = NonNullable<Pod['spec']>;

/**
 * `init`: ends before the next begins; `sidecar`: an init container that runs beside the others; `ephemeral`: added to a
 * running pod, runs once; `main`: the rest.
 */
export type ContainerRole = 'init' | 'sidecar' | 'main' | 'ephemeral';

/** Why a container is stopped while its pod goes on, or with its pod. */
export type StopReason = 'pod' | 'liveness' | 'startup' | 'postStart' | 'image';

export interface StopRecord {
  readonly why: StopReason;
  /** When it is killed. */
  killAtMs: number;
  /** No time was given: it is killed at once and not asked. */
  atOnce: boolean;
  /** Its preStop hook has to end before it is asked. */
  preStop: boolean;
  asked: boolean;
  killed: boolean;
}

export interface ContainerRecord {
  readonly name: string;
  readonly role: ContainerRole;
  /** As it runs; the spec's is the one wanted. */
  image: string;
  /**
   * `pending`: has not begun; `starting`: about to, or just has; `running`; `ended`: and stays so; `resting`: ended,
   * begins again at `restartAtMs`.
   */
  phase: 'pending' | 'starting' | 'running' | 'ended' | 'resting';
  startedAtMs?: number;
  /** Its postStart hook has not ended: until then it counts as being created. */
  postStart?: boolean;
  /** Of this run: its startup probe has succeeded. */
  started?: boolean;
  /** Of this run: what its readiness probe says. */
  ready?: boolean;
  /** Of this run: the probe or the hook for whose failure it is to end. */
  unhealthy?: 'liveness' | 'startup' | 'postStart';
  /** It is being stopped. */
  stop?: StopRecord;
  /** How the last run ended. */
  end?: { readonly terminated: NonNullable<ContainerState['terminated']> };
  /** How the run before the one that runs, or ended for good, ended. */
  before?: { readonly terminated: NonNullable<ContainerState['terminated']> };
  /** Also the number of the run: the one that runs, or else the last. */
  restartCount: number;
  /** Ends in a row without a long run in between, for the back-off. */
  crashes: number;
  restartAtMs?: number;
  restDelayMs?: number;
}

export interface LifeRecord {
  /** The pod as a whole is to end and not to run again. */
  deleting: boolean;
  /** With `deleting`: when what still runs is killed. */
  killAtMs?: number;
  /** It has failed as a whole, whatever its containers say. */
  failure?: { readonly reason: string; readonly message: string };
  /** When the pod began; `activeDeadlineSeconds` counts from here. */
  readonly beganAtMs: number;
  /** Init containers first, in the order of the spec, ephemeral ones last. */
  readonly containers: ContainerRecord[];
}

function containerRecord(spec: Pick<Container, 'name' | 'image'>, role: ContainerRole): ContainerRecord {
  return { name: spec.name, role, image: spec.image ?? '', phase: 'pending', restartCount: 0, crashes: 0 };
}

export function newLifeRecord(spec: PodSpec | undefined, beganAtMs: number): LifeRecord {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = spec ?? {};
  return {
    deleting: false,
    beganAtMs,
    containers: [
      ...initContainers.map((one) => containerRecord(one, one.restartPolicy === 'Always' ? 'sidecar' : 'init')),
      ...containers.map((one) => containerRecord(one, 'main')),
      ...ephemeralContainers.map((one) => containerRecord(one, 'ephemeral')),
    ],
  };
}

/** Takes in the ephemeral containers that were added to the pod. */
export function addEphemeral(record: LifeRecord, spec: PodSpec | undefined): void {
  for (const one of spec?.ephemeralContainers ?? []) {
    if (!record.containers.some(({ name }) => name === one.name)) {
      record.containers.push(containerRecord(one, 'ephemeral'));
    }
  }
}

/** An ephemeral container has the fields of every other that matter here. */
export function specOf(spec: PodSpec | undefined, name: string): Container | undefined {
  const { initContainers = [], containers = [], ephemeralContainers = [] } = spec ?? {};
  return [...initContainers, ...containers, ...ephemeralContainers].find((container) => container.name === name);
}

export function runs({ phase }: ContainerRecord): boolean {
  return phase === 'running' || phase === 'starting';
}

export function endedWell({ phase, end }: ContainerRecord): boolean {
  return phase === 'ended' && end?.terminated.exitCode === 0;
}

/** A sidecar that others may follow, a container that its other probes are asked of. */
export function isStarted(container: ContainerRecord, spec: PodSpec | undefined): boolean {
  if (container.phase !== 'running' || container.postStart === true) return false;
  return container.started === true || specOf(spec, container.name)?.startupProbe === undefined;
}

/** Nothing but sidecars and ephemeral containers has anything left to do. */
export function isOver({ containers }: LifeRecord): boolean {
  const failed = containers.some((one) => one.role === 'init' && one.phase === 'ended' && !endedWell(one));
  return failed || containers.every(({ role, phase }) => role !== 'main' || phase === 'ended');
}

/** Its containers end, or have: nothing is started any more. */
export function isEnding(record: LifeRecord): boolean {
  return record.deleting || record.failure !== undefined || isOver(record);
}

/** Every init container has ended well or, if it runs beside the others, has started. Once a main one began, that was so. */
export function initDone({ containers }: LifeRecord, spec: PodSpec | undefined): boolean {
  if (containers.some(({ role, phase }) => role === 'main' && phase !== 'pending')) return true;
  return containers.every((one) => {
    if (one.role === 'init') return endedWell(one);
    return one.role !== 'sidecar' || isStarted(one, spec);
  });
}

/** The API keeps whole seconds; a fraction would make a status differ from what is read back. */
export function secondsText(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}
