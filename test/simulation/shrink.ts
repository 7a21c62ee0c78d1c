/**
 * The shortest story that still breaks the same invariant: steps are left out, many at once and then fewer, for as long as
 * it goes on breaking. Not the shortest there is; the shortest that can be found in a bounded number of runs.
 */
import { type Plan, withSteps } from './plan.ts';
import { runSeed, type Violation } from './run-seed.ts';

export interface Story {
  readonly plan: Plan;
  readonly violation: Violation;
  /** Runs that it took to find. */
  readonly runs: number;
}

const MOST_RUNS = 120;

export async function shrink(plan: Plan, violation: Violation): Promise<Story> {
  let story: Story = { plan, violation, runs: 0 };
  let runs = 0;
  const attempt = async (ids: readonly number[]): Promise<boolean> => {
    if (runs >= MOST_RUNS) return false;
    runs++;
    const smaller = withSteps(plan, new Set(ids));
    const found = (await runSeed(smaller)).violation;
    if (found?.invariant !== violation.invariant) return false;
    story = { plan: smaller, violation: found, runs };
    return true;
  };
  const idsOf = (): number[] => story.plan.steps.map(({ id }) => id);
  // What comes after it is no part of the story.
  await attempt(idsBefore(plan, violation.at));
  for (let size = Math.ceil(idsOf().length / 2); size >= 1 && runs < MOST_RUNS; size = Math.floor(size / 2)) {
    for (let from = 0; from < idsOf().length; ) {
      const ids = idsOf();
      if (!(await attempt([...ids.slice(0, from), ...ids.slice(from + size)]))) from += size;
    }
  }
  return { ...story, runs };
}

function idsBefore(plan: Plan, at: number): number[] {
  return plan.steps.filter((step) => step.at <= at).map(({ id }) => id);
}
