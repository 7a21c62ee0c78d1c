/**
 * A process that runs seeds, one after the other: `simulate.ts` starts one for each core. What a replica would load when it
 * needs it (redlock) is loaded before: reading a file takes no virtual time.
 */
import 'redlock';
import { lockDoor } from './model/real-world.ts';
import { describe, drawPlan, withSteps } from './plan.ts';
import { runSeed, type SeedResult } from './run-seed.ts';
import { shrink } from './shrink.ts';

export interface Job {
  readonly seed: number;
  readonly minutes: number | undefined;
  /** Only these steps of the plan. */
  readonly steps: readonly number[] | undefined;
  /** Look for the shortest story when it fails. */
  readonly shrink: boolean;
  /** Send the whole trace. */
  readonly trace: boolean;
}

export interface Done {
  readonly result: SeedResult;
  readonly story:
    | { readonly steps: readonly number[]; readonly lines: readonly string[]; readonly runs: number }
    | undefined;
}

lockDoor();

async function work(job: Job): Promise<Done> {
  const whole = drawPlan(job.seed, job.minutes);
  const plan = job.steps === undefined ? whole : withSteps(whole, new Set(job.steps));
  const result = await runSeed(plan, job.trace);
  if (result.violation === undefined || !job.shrink) return { result, story: undefined };
  const { plan: short, violation, runs } = await shrink(plan, result.violation);
  const lines = [
    `${short.replicas} replicas, ${short.zones} zones, election by ${short.election}, state by ${short.state}, ${short.redis} Redis servers, node grace ${short.nodeMonitorGraceMs / 1000} s`,
    ...short.steps.map(describe),
    `at ${(violation.at / 1000).toFixed(3)} s: ${violation.invariant}: ${violation.message}`,
  ];
  return { result, story: { steps: short.steps.map(({ id }) => id), lines, runs } };
}

// Whoever started it is gone.
process.on('disconnect', () => process.exit());
process.on('message', (job: Job) => {
  work(job).then(
    (done) => process.send?.(done),
    (error: unknown) => {
      process.stderr.write(
        `seed ${job.seed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
      );
      process.exit(1);
    },
  );
});
