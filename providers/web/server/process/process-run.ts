/** One run of a container as a process: from its supervisor's files to how it ended. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../../../src/clock.ts';
import type { RunEnd } from '../../../../src/lifecycle/end.ts';
import type { RunListener } from '../../../../src/lifecycle/life.ts';
import { LogTimes } from './log-times.ts';
import { askToEnd, isAlive, isCommand, killGroup, killOwnGroup } from './process-table.ts';
import { readCommandPid, readExit, readSupervisor, type Supervisor } from './supervisor.ts';

/** A supervisor writes who it is in its first moments; one that has not by then, in milliseconds, never will. */
const SETTLE_MS = 10_000;

export class ProcessRun {
  readonly folder: string;
  readonly times: LogTimes;
  readonly #listener: RunListener;
  readonly #clock: Clock;
  readonly #sinceMs: number;
  /** Of this very process; undefined for a run that was found. */
  #child: ChildProcess | undefined;
  #supervisor: Supervisor | undefined;
  #stopping: 'no' | 'wanted' | 'asked' = 'no';
  #killing = false;
  readonly #over = new AbortController();

  constructor(folder: string, listener: RunListener, clock: Clock, child?: ChildProcess) {
    this.folder = folder;
    this.times = new LogTimes(folder);
    this.#listener = listener;
    this.#clock = clock;
    this.#sinceMs = clock.monotonic();
    this.#child = child;
  }

  get over(): boolean {
    return this.#over.signal.aborted;
  }

  /** Aborts when the run has ended. */
  get ended(): AbortSignal {
    return this.#over.signal;
  }

  /** The command's process, if it is there. */
  get commandPid(): number | undefined {
    const supervisor = this.#identify();
    const pid = readCommandPid(this.folder);
    return supervisor !== undefined && pid !== undefined && isCommand(supervisor, pid) ? pid : undefined;
  }

  /** Everything that belongs to it is in this process group. */
  get group(): number | undefined {
    return this.#identify()?.pid;
  }

  /** Looks at what has become of it. */
  poll(): void {
    if (this.over) return;
    this.times.look();
    const alive = this.#isAlive();
    // Read after the look at the process: a supervisor that has ended has written what it had to.
    const exit = readExit(this.folder);
    if (exit !== undefined) this.end({ exitCode: exit.exitCode, finishedAtMs: Math.floor(exit.atMs) });
    else if (!alive) this.end(this.#lost());
    else if (this.#killing) this.#killAll();
    else if (this.#stopping === 'wanted') this.#askToEnd();
  }

  stop(): void {
    if (this.over || this.#stopping !== 'no') return;
    this.#stopping = 'wanted';
    this.#askToEnd();
  }

  kill(): void {
    if (this.over) return;
    // So that a backend that is killed right now does not take the end for an accident.
    writeFileSync(join(this.folder, 'killed'), '', { mode: 0o600 });
    this.#killing = true;
    this.#killAll();
  }

  end(end: RunEnd): void {
    if (this.over) return;
    // What the command left behind has no container any more. A supervisor does that too, if it lives.
    const supervisor = this.#identify();
    if (supervisor !== undefined) killGroup(supervisor);
    this.#over.abort();
    this.times.look();
    this.#listener.ended(end);
  }

  #askToEnd(): void {
    const supervisor = this.#identify();
    const pid = readCommandPid(this.folder);
    if (supervisor !== undefined && pid !== undefined && askToEnd(supervisor, pid)) this.#stopping = 'asked';
  }

  #killAll(): void {
    const supervisor = this.#identify();
    if (supervisor !== undefined) killGroup(supervisor);
    else if (this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      killOwnGroup(this.#child.pid);
    }
  }

  #identify(): Supervisor | undefined {
    if (this.#supervisor === undefined) {
      const found = readSupervisor(this.folder);
      if (typeof found === 'object') this.#supervisor = found;
    }
    return this.#supervisor;
  }

  #isAlive(): boolean {
    if (this.#child !== undefined) return this.#child.exitCode === null && this.#child.signalCode === null;
    const supervisor = this.#identify();
    if (supervisor !== undefined) return isAlive(supervisor);
    return this.#clock.monotonic() - this.#sinceMs < SETTLE_MS;
  }

  /** It ended and nobody wrote down how: it was killed, by us or by somebody else, or the machine went down. */
  #lost(): RunEnd {
    const finishedAtMs = this.#clock.now();
    if (existsSync(join(this.folder, 'killed'))) return { exitCode: 137, finishedAtMs };
    // As a kubelet reports a container whose end it did not see.
    const message =
      'its supervisor ended without an exit code: it was killed from outside, or the machine was restarted';
    return { exitCode: 137, finishedAtMs, reason: 'ContainerStatusUnknown', message };
  }
}
