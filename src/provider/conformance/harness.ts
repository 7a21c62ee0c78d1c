/** What a provider's author gives the conformance suite: a fresh backend per test, pods that do as told, and faults. */
import type { Clock } from '../../clock.ts';
import type { Container, Pod } from '../../kube/types.ts';
import type { PodRef, Provider } from '../contract.ts';

/** What a pod of the suite has to do. Its one container is called `main`. */
export type PodWish =
  /** Runs until it is asked to stop, then stops at once. */
  | { readonly does: 'run' }
  /** Runs on when asked to stop, until it is killed. */
  | { readonly does: 'ignore-stop' }
  /** Ends by itself with this code within a second; `restartPolicy: Never`. */
  | { readonly does: 'exit'; readonly code: number }
  /** Writes these lines at once and runs on. */
  | { readonly does: 'print'; readonly lines: readonly string[] }
  /** Writes these lines and ends with code 1, within a second; `restartPolicy: Always`. */
  | { readonly does: 'print-and-crash'; readonly lines: readonly string[] };

/** What can be run in the container of a pod that does `run`. */
export interface SuiteCommands {
  /** Writes this line and ends with 0. */
  echo(line: string): readonly string[];
  /** Ends with this code. */
  exit(code: number): readonly string[];
  /** Copies its input to its output until the input ends. */
  readonly cat: readonly string[];
  /** Runs for an hour at least. */
  readonly sleep: readonly string[];
}

/** A backend made for one test. What it cannot do is left out: the cases that need it are reported as skipped. */
export interface ConformanceBackend extends AsyncDisposable {
  readonly zone: string;
  readonly clock: Clock;
  /** A provider of its own, as another replica would have. The suite disposes it. */
  connect(): Provider;
  /** The pod that does this; undefined when the backend has none. Name, namespace and UID are filled in by the suite. */
  pod(wish: PodWish): Pod | undefined;
  /** What makes a container run this POSIX shell script, in a folder that it may write to and that its probes and hooks begin in. */
  shell?(script: string): Pick<Container, 'image' | 'command' | 'args'>;
  /** Lets this much of `clock` pass. @defaultValue real time passes */
  advance?(ms: number): Promise<void>;
  /** Kills the backend and starts it again with what it persists. */
  restart?(): Promise<void>;
  /** The next mutation is carried out and its reply lost. */
  loseNextReply?(): Promise<void> | void;
  /** From now on nothing is answered, until it is called with false. */
  hang?(on: boolean): Promise<void> | void;
  /** From now on the backend cannot be reached at all, until it is called with false. */
  unreachable?(on: boolean): Promise<void> | void;
  /** From now on lists lack pods, until it is called with false. */
  incomplete?(on: boolean): Promise<void> | void;
  /** A fault in the zone's own state: what it then reports. */
  noNewPods?(on: boolean): Promise<void> | void;
  /** Makes the container `main` end by itself. */
  exit?(owner: string, ref: PodRef, code: number): Promise<void> | void;
  /** For the cases of exec. */
  readonly commands?: SuiteCommands;
  /** A port on which pods that `run` send back what they are sent. */
  readonly echoPort?: number;
}

export interface ConformanceHarness {
  start(): Promise<ConformanceBackend>;
}
