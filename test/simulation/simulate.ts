/**
 * `npm run simulate`: seeds, their violations, and how to see each again. What people read goes to stderr; with `--json`
 * the last line of stdout is the result.
 */
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { workOff } from './crew.ts';
import { MUTATIONS } from './mutations.ts';
import type { Done, Job } from './worker.ts';

const USAGE = `npm run simulate -- [--seeds N] [--seed S] [--minutes M] [--steps A,B,...] [--workers W] [--trace] [--json]

  --seeds N    how many seeds, counted from --seed; 100 by default, 1 when --seed is given
  --seed S     the first seed; 1 by default
  --minutes M  simulated minutes of each seed; 3 by default, and 30 of every 20th
  --steps ...  only these steps of the seed's plan, as a story names them
  --workers W  processes; one for each core by default
  --trace      the whole trace of one seed, on stdout
  --mutations  instead, put one deliberate fault after the other into the product and count the seeds that it
               takes to be found, up to --seeds (1000 by default)
  --mutation N only this one, by its number
  --json       the last line of stdout is {seeds, hours, violations, traceHash}
`;

function whole(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: a whole number above 0`);
  return value;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      steps: { type: 'string' },
      workers: { type: 'string' },
      trace: { type: 'boolean', default: false },
      mutations: { type: 'boolean', default: false },
      mutation: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const first = whole(values.seed, 'seed');
  const count = whole(values.seeds, 'seeds') ?? (first === undefined ? 100 : 1);
  const minutes = whole(values.minutes, 'minutes');
  const workers = whole(values.workers, 'workers');
  const steps = values.steps
    ?.split(',')
    .filter((id) => id !== '')
    .map(Number);
  const tell = (text: string): void => void process.stderr.write(`${text}\n`);
  if (values.mutations || values.mutation !== undefined) {
    const only = whole(values.mutation, 'mutation');
    const undetected = await findMutations(whole(values.seeds, 'seeds') ?? 1000, only, workers, tell);
    if (values.json) process.stdout.write(`${JSON.stringify({ undetected })}\n`);
    return undetected.length === 0 ? 0 : 1;
  }
  const begun = performance.now();
  const hashes: { seed: number; hash: string }[] = [];
  const closest = new Map<string, { share: number; seed: number }>();
  let violations = 0;
  let ms = 0;
  const jobs = Array.from(
    { length: count },
    (_, i): Job => ({ seed: (first ?? 1) + i, minutes, steps, shrink: !values.trace, trace: values.trace }),
  );
  const each = ({ result, story }: Done): boolean => {
    const { seed, violation, traceHash, lines } = result;
    for (const [invariant, share] of Object.entries(result.closest))
      if (share > (closest.get(invariant)?.share ?? 0)) closest.set(invariant, { share, seed });
    hashes.push({ seed, hash: traceHash });
    ms += result.ms;
    if (lines !== undefined) process.stdout.write(`${lines.join('\n')}\n`);
    if (violation !== undefined) {
      violations++;
      tell(`seed ${seed}: ${violation.invariant} at ${(violation.at / 1000).toFixed(3)} s: ${violation.message}`);
    }
    if (story !== undefined) {
      for (const line of story.lines) tell(`  ${line}`);
      const length = minutes === undefined ? '' : ` --minutes ${minutes}`;
      tell(
        `  replay: npm run simulate -- --seed ${seed}${length} --steps ${story.steps.join(',')} (found in ${story.runs} runs)`,
      );
    }
    if (hashes.length % 100 === 0) {
      const seconds = (performance.now() - begun) / 1000;
      tell(
        `${hashes.length} of ${count} seeds, ${(ms / 3_600_000).toFixed(1)} h in ${seconds.toFixed(0)} s, ${violations} violations`,
      );
    }
    return false;
  };
  await workOff(jobs, each, workers === undefined ? {} : { workers });
  for (const [invariant, { share, seed }] of closest)
    tell(`${invariant}: at most ${(100 * share).toFixed(0)} % of its bound was needed (seed ${seed})`);
  const all = createHash('sha256');
  for (const { seed, hash } of hashes.sort((a, b) => a.seed - b.seed)) all.update(`${seed} ${hash}\n`);
  const result = {
    seeds: hashes.length,
    hours: Math.round((ms / 3_600_000) * 1000) / 1000,
    violations,
    traceHash: all.digest('hex'),
  };
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else tell(JSON.stringify(result));
  return violations === 0 ? 0 : 1;
}

/** The mutations that no seed found. */
async function findMutations(
  seeds: number,
  only: number | undefined,
  workers: number | undefined,
  tell: (text: string) => void,
): Promise<string[]> {
  const undetected: string[] = [];
  for (const [index, { name }] of MUTATIONS.entries()) {
    if (only !== undefined && only !== index + 1) continue;
    let found: string | undefined;
    let tried = 0;
    const jobs = Array.from(
      { length: seeds },
      (_, i): Job => ({ seed: i + 1, minutes: undefined, steps: undefined, shrink: false, trace: false }),
    );
    const each = ({ result: { seed, violation } }: Done): boolean => {
      tried++;
      if (violation !== undefined) found = `seed ${seed}: ${violation.invariant}: ${violation.message}`;
      return found !== undefined;
    };
    await workOff(jobs, each, { mutation: name, ...(workers === undefined ? {} : { workers }) });
    if (found === undefined) undetected.push(name);
    tell(
      `${index + 1}. ${name}: ${found === undefined ? 'NOT FOUND' : 'found'} after ${tried} seeds${found === undefined ? '' : `, ${found}`}`,
    );
  }
  return undetected;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
