/**
 * What really runs the containers of a backend. The backend decides what is to run (order, restarts, deletion) and keeps
 * it; a runtime runs single containers, once each, and says how each run ended.
 */
import type { Duplex } from 'node:stream';
import type { Container, Pod } from '../../../src/kube/types.ts';
import type { RunListener } from '../../../src/lifecycle/life.ts';
import type { Reach } from '../../../src/lifecycle/reach.ts';
import type { ContainerRole } from '../../../src/lifecycle/record.ts';
import type {
  Capabilities,
  ExecOptions,
  ExecResult,
  LogOptions,
  PodStats,
  Resources,
  StandardStreams,
  Unsupported,
  VolumeContent,
} from '../../../src/provider/contract.ts';
import type { KeptPod } from './pod-record.ts';

/** One run of one container. The same three values after a restart of the backend mean the same run. */
export interface Run {
  /** Names the pod, among those of every owner; fit for a file name. */
  readonly pod: string;
  readonly container: string;
  /** 0 for the first. */
  readonly number: number;
}

/** What a run needs to know to begin. */
export interface RunPlan extends Run {
  readonly resolved: KeptPod;
  readonly spec: Container;
  readonly role: ContainerRole;
  readonly address: string;
  /** When it began, in milliseconds since the epoch; undefined for one that is about to. */
  readonly startedAtMs: number | undefined;
}

export interface Runtime extends AsyncDisposable {
  readonly kind: string;
  /** What the machine has, unless the operator says otherwise. */
  readonly capacity: Resources;
  /** What pods on it may use, as callers are told. */
  readonly capabilities: Capabilities;
  /** Said once at the start, for people. */
  readonly notice: string;
  /** Fields that this runtime cannot honour. */
  unsupported(pod: Pod): readonly Unsupported[];
  /** Throws `NoCapacity` when there is none left. */
  takeAddress(): string;
  /** Told once, before anything else: the pods that there are from earlier. What it has of others is left over. */
  keep(pods: readonly { readonly pod: string; readonly address: string }[]): void;
  releaseAddress(address: string): void;
  /**
   * Keeps all that is in these volumes of a pod, in place of what it had in them. What runs sees all of a volume's change
   * at once or none of it.
   */
  putVolumes(pod: string, volumes: Readonly<Record<string, VolumeContent>>): void;
  /** Begins a run. A run that cannot begin has ended, with the reason. */
  start(plan: RunPlan, listener: RunListener): void;
  /**
   * Finds a run again that an earlier process of this backend began, or was about to. `never` says that it did not
   * begin and never will. One that ended meanwhile tells its listener.
   */
  resume(plan: RunPlan, listener: RunListener): 'found' | 'never';
  /** Asks the run to end. */
  stop(run: Run): void;
  /** Ends the run, whatever it does. */
  kill(run: Run): void;
  /** How probes and hooks get at a pod's containers; `plan` is the run of one of them. Left out: such pods were refused. */
  reach?(plan: (container: string) => RunPlan | undefined): Reach;
  /** Everything kept of a pod whose runs have all ended, its logs too. */
  forget(pod: string): void;
  /** A run's output. Ends with the run; without `follow` at the end of what there is. */
  log(run: Run, options: Omit<LogOptions, 'previous'>, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** As `Provider.exec`, for a run that runs. Left out, as the next: not offered, which `capabilities` say as well. */
  exec?(run: RunPlan, options: ExecOptions, streams: StandardStreams, signal: AbortSignal): Promise<ExecResult>;
  attach?(run: RunPlan, streams: StandardStreams, signal: AbortSignal): Promise<void>;
  /** To a port of the pod with this address. `Unavailable` where nothing listens. */
  portForward?(pod: { readonly address: string }, port: number, signal: AbortSignal): Promise<Duplex>;
  /** Usage of a pod's runs. */
  stats?(runs: readonly RunPlan[]): PodStats['containers'];
}
