/** A pod as its engine has it: the containers and volumes with its labels, put together. Everything is read from there. */
import type { PodRef } from '../../src/provider/contract.ts';
import type { ContainerDetails, VolumeDetails } from './api.ts';
import { LABEL, type Role } from './names.ts';

/** One run of one container. */
export interface RunState {
  readonly id: string;
  readonly container: string;
  readonly role: Role;
  readonly attempt: number;
  readonly backOffMs: number;
  readonly image: string;
  readonly imageID: string;
  readonly tty: boolean;
  /** Where its termination message comes from. */
  readonly messageFrom: string;
  readonly createdAt: string;
  readonly phase: 'made' | 'running' | 'ended' | 'failed-to-start';
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why it could not be started. */
  readonly error: string;
  /** Once it has ended. */
  readonly message?: string;
}

export interface PodState {
  readonly ref: PodRef;
  readonly owner: string;
  readonly zone: string;
  readonly epoch: number;
  readonly hash: string;
  readonly revision: number;
  /** When that was applied, by the engine's clock in whole seconds. */
  readonly revisedAt?: string;
  readonly sandbox: {
    readonly id: string;
    readonly running: boolean;
    /** A pod whose sandbox was never started is not there yet: whoever creates it does the rest. */
    readonly started: boolean;
    readonly createdAt: string;
    readonly startedAt?: string;
    readonly addresses: readonly string[];
  };
  /** Where its volume of files is on the engine's machine. */
  readonly filesFolder: string;
  /** Of each container the runs that are kept, newest first. */
  readonly runs: ReadonlyMap<string, readonly RunState[]>;
  /** Set once it was told to stop; milliseconds since the epoch. */
  readonly killAtMs?: number;
  readonly volumes: readonly string[];
}

/** By UID. What has no sandbox is no pod: leftovers are found by the collection of garbage. */
export function podStates(
  containers: readonly ContainerDetails[],
  volumes: readonly VolumeDetails[],
): Map<string, PodState> {
  const states = new Map<string, PodState>();
  const byUid = Map.groupBy(containers, ({ Config }) => Config.Labels[LABEL.uid] ?? '');
  const volumesByUid = Map.groupBy(volumes, ({ Labels }) => Labels?.[LABEL.uid] ?? '');
  for (const [uid, own] of byUid) {
    const sandbox = own.find(({ Config }) => Config.Labels[LABEL.role] === 'sandbox');
    if (uid !== '' && sandbox !== undefined) states.set(uid, podState(sandbox, own, volumesByUid.get(uid) ?? []));
  }
  return states;
}

function podState(
  sandbox: ContainerDetails,
  containers: readonly ContainerDetails[],
  volumes: readonly VolumeDetails[],
): PodState {
  const labels = sandbox.Config.Labels;
  const label = (key: string): string => labels[key] ?? '';
  const stops = volumes.flatMap(({ Labels }) => Number(Labels?.[LABEL.killAt] ?? Number.NaN)).filter(Number.isFinite);
  const revision = volumes
    .filter(({ Labels }) => Labels?.[LABEL.revision] !== undefined)
    .map(({ Labels, CreatedAt }) => ({ number: Number(Labels?.[LABEL.revision]), Labels, CreatedAt }))
    .sort((a, b) => b.number - a.number)[0];
  const epochs = [label(LABEL.epoch), ...volumes.map(({ Labels }) => Labels?.[LABEL.epoch] ?? '0')].map(Number);
  const runs = containers.filter(({ Config }) => Config.Labels[LABEL.role] !== 'sandbox').map(runState);
  const startedAt = time(sandbox.State.StartedAt);
  const addresses = Object.values(sandbox.NetworkSettings.Networks ?? {}).flatMap((network) =>
    [network?.IPAddress, network?.GlobalIPv6Address].filter((address) => address !== undefined && address !== ''),
  );
  return {
    ref: { uid: label(LABEL.uid), namespace: label(LABEL.namespace), name: label(LABEL.pod) },
    owner: label(LABEL.owner),
    zone: label(LABEL.zone),
    epoch: Math.max(...epochs.filter(Number.isSafeInteger)),
    hash: revision?.Labels?.[LABEL.hash] ?? label(LABEL.hash),
    revision: revision?.number ?? 0,
    ...(revision?.CreatedAt === undefined ? {} : { revisedAt: revision.CreatedAt }),
    sandbox: {
      id: sandbox.Id,
      running: sandbox.State.Running,
      started: startedAt !== undefined,
      createdAt: sandbox.Created,
      ...(startedAt === undefined ? {} : { startedAt }),
      addresses: addresses as string[],
    },
    filesFolder: volumes.find(({ Labels }) => Labels?.[LABEL.role] === 'files')?.Mountpoint ?? '',
    runs: new Map(
      [...Map.groupBy(runs, ({ container }) => container)].map(([name, all]) => [
        name,
        all.sort((a, b) => b.attempt - a.attempt),
      ]),
    ),
    ...(stops.length === 0 ? {} : { killAtMs: Math.min(...stops) }),
    volumes: volumes.map(({ Name }) => Name),
  };
}

function runState({ Id, Created, Image, State, Config }: ContainerDetails): RunState {
  const { Labels, Tty } = Config;
  const startedAt = time(State.StartedAt);
  const finishedAt = time(State.FinishedAt);
  const begun = State.Running || State.Status === 'paused' || State.Status === 'restarting';
  return {
    id: Id,
    container: Labels[LABEL.container] ?? '',
    role: (Labels[LABEL.role] ?? 'container') as Role,
    attempt: Number(Labels[LABEL.attempt] ?? 0),
    backOffMs: Number(Labels[LABEL.backOff] ?? 0),
    image: Labels[LABEL.image] ?? '',
    imageID: Image,
    tty: Tty,
    messageFrom: Labels[LABEL.terminationMessage] ?? 'File',
    createdAt: Created,
    phase: begun ? 'running' : startedAt !== undefined ? 'ended' : State.Error === '' ? 'made' : 'failed-to-start',
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    exitCode: State.ExitCode,
    oomKilled: State.OOMKilled,
    error: State.Error,
  };
}

/** `undefined` for the engine's "never", which is the year 1. */
function time(text: string): string | undefined {
  return text === '' || text.startsWith('0001-') ? undefined : text;
}

export function isRunning(state: PodState): boolean {
  for (const [run] of state.runs.values()) if (run?.phase === 'running') return true;
  return false;
}
