/** The part of the provider contract that carries bytes between a client and a running container, and its usage. */
import type { Readable, Writable } from 'node:stream';
import type { PodRef } from './contract.ts';

/** Of a terminal, in characters. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/**
 * A client's ends of a process's standard streams. The provider reads `stdin` no faster than the process takes it and
 * closes the process's input at its end; it waits for a full `stdout` or `stderr` to drain, and never ends or destroys
 * them: who made them does. What is left out is not connected.
 */
export interface StandardStreams {
  readonly stdin?: Readable;
  readonly stdout?: Writable;
  /** Never with a terminal, which has one output. */
  readonly stderr?: Writable;
  /** The terminal's size, at first and at every change; only with a terminal. Ends with the client. */
  readonly resizes?: AsyncIterable<TerminalSize>;
}

export interface ExecOptions {
  readonly command: readonly string[];
  /** Run it on a terminal. */
  readonly tty: boolean;
}

export interface ExecResult {
  /** 128 + N for a process that signal N ended; 126 or 127 for a command that could not be started, with the reason on stderr. */
  readonly exitCode: number;
}

/** Since the container's start or at `time`; left out: the backend does not tell. */
export interface ContainerStats {
  readonly name: string;
  /** RFC 3339; when this was measured. */
  readonly time: string;
  /** RFC 3339; when the container started. */
  readonly startTime?: string;
  readonly cpu?: { readonly usageNanoCores?: number; readonly usageCoreNanoSeconds?: number };
  readonly memory?: {
    readonly usageBytes?: number;
    /** What cannot be taken back under pressure: the figure that `kubectl top` and eviction go by. */
    readonly workingSetBytes?: number;
    readonly rssBytes?: number;
    readonly availableBytes?: number;
    readonly pageFaults?: number;
    readonly majorPageFaults?: number;
  };
  /** Its writable layer. */
  readonly rootfs?: { readonly usedBytes?: number };
}

export interface PodStats {
  readonly ref: PodRef;
  /** RFC 3339; when the pod started. */
  readonly startTime?: string;
  readonly containers: readonly ContainerStats[];
  readonly network?: {
    /** RFC 3339; when this was measured. */
    readonly time: string;
    readonly rxBytes?: number;
    readonly rxErrors?: number;
    readonly txBytes?: number;
    readonly txErrors?: number;
  };
}
