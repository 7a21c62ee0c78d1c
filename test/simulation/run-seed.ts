/** One seed: its world, watched by the checkers. */
import type { Checker, CreateChecker, Invariant } from './checkers/checker.ts';
import { oneLeader } from './checkers/i1-one-leader.ts';
import { oneInstance } from './checkers/i2-one-instance.ts';
import { noWayBack } from './checkers/i3-no-way-back.ts';
import { noRashDeletion } from './checkers/i4-no-rash-deletion.ts';
import { convergence } from './checkers/i5-convergence.ts';
import { boundedWork } from './checkers/i6-bounded-work.ts';
import { nodeReady } from './checkers/i7-node-ready.ts';
import { trueCache } from './checkers/i8-true-cache.ts';
import { ledInTime } from './checkers/i9-led-in-time.ts';
import { noSecret } from './checkers/i10-no-secret.ts';
import { atHome } from './checkers/i11-at-home.ts';
import { EndlessWork } from './model/scheduler.ts';
import type { Plan } from './plan.ts';
import { createWorld, play } from './world.ts';

const CHECKERS: Readonly<Record<Invariant, CreateChecker>> = {
  I1: oneLeader,
  I2: oneInstance,
  I3: noWayBack,
  I4: noRashDeletion,
  I5: convergence,
  I6: boundedWork,
  I7: nodeReady,
  I8: trueCache,
  I9: ledInTime,
  I10: noSecret,
  I11: atHome,
};

export interface Violation {
  readonly invariant: Invariant;
  readonly at: number;
  readonly message: string;
}

export interface SeedResult {
  readonly seed: number;
  /** Simulated milliseconds. */
  readonly ms: number;
  readonly events: number;
  readonly traceHash: string;
  /** The first; what comes after it may be its consequence. */
  readonly violation: Violation | undefined;
  /** Per invariant with a bound, the largest share of it that was needed. */
  readonly closest: Readonly<Partial<Record<Invariant, number>>>;
  /** The whole trace, when it was asked for. */
  readonly lines: readonly string[] | undefined;
}

export async function runSeed(plan: Plan, keepLines = false): Promise<SeedResult> {
  const world = createWorld(plan, keepLines);
  const { scheduler, history } = world;
  let violation: Violation | undefined;
  const reporter =
    (invariant: Invariant) =>
    (message: string): void => {
      if (violation !== undefined) return;
      violation = { invariant, at: scheduler.now, message };
      history.note(scheduler.now, `violation ${invariant} ${message}`);
      scheduler.stop();
    };
  const checkers: Checker[] = [];
  const closest: Partial<Record<Invariant, number>> = {};
  for (const [invariant, create] of Object.entries(CHECKERS) as [Invariant, CreateChecker][]) {
    const checker = create(world, reporter(invariant));
    checkers.push(checker);
    history.listen(checker);
  }
  try {
    await play(world);
  } catch (error) {
    if (!(error instanceof EndlessWork)) throw error;
    reporter('I6')(error.message);
  }
  if (violation === undefined) for (const checker of checkers) await checker.atEnd?.();
  for (const [i, invariant] of (Object.keys(CHECKERS) as Invariant[]).entries()) {
    const share = checkers[i]?.closest?.();
    if (share !== undefined) closest[invariant] = share;
  }
  return {
    seed: plan.seed,
    ms: scheduler.now,
    events: scheduler.events,
    traceHash: history.digest(),
    violation,
    closest,
    lines: history.lines,
  };
}
