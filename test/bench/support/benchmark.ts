/** What a benchmark is given and what it gives. */
import type { Clock } from '../../../src/clock.ts';

export interface Benchmark {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  readonly defaultPods: number;
  readonly defaultRounds: number;
  run(context: BenchContext): Promise<Report>;
}

export interface BenchContext {
  readonly pods: number;
  readonly rounds: number;
  /** The built `zonelet`: program and first arguments. */
  readonly zonelet: readonly string[];
  readonly clock: Clock;
  /** Aborts when the benchmark is to end early; everything that waits throws `Aborted` then. */
  readonly signal: AbortSignal;
  /** Progress, on stderr. */
  say(line: string): void;
}

export interface Report {
  readonly figures: readonly Figure[];
  /** What each round measured, as it was. */
  readonly rounds: readonly Readonly<Record<string, number>>[];
  /** What was found beside the figures, for people. */
  readonly notes?: readonly string[];
}

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: 'per second' | 'ms' | 's' | 'MiB' | 'KiB' | 'percent' | 'count';
  /** What the machine gives at best without Zonelet, measured in the same run. */
  readonly floor?: { readonly what: string; readonly value: number };
  readonly target?: { readonly atLeast: number } | { readonly atMost: number };
}

/** Undefined where there is no target. */
export function meetsTarget({ value, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return 'atLeast' in target ? value >= target.atLeast : value <= target.atMost;
}
