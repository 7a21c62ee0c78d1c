/** `npm run bench -- NAME... [--json] [--pods N] [--rounds N]`: see README.md. */
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/clock.ts';
import { messageOf } from '../../src/errors.ts';
import { type Frame, runCommand } from '../support/command-frame.ts';
import { clientGo } from './client-go.ts';
import { coldStart } from './cold-start.ts';
import { cpu } from './cpu.ts';
import { deletion } from './delete.ts';
import { failover } from './failover.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { pods } from './pods.ts';
import { probes } from './probes.ts';
import type { Benchmark } from './support/benchmark.ts';
import { buildZonelet } from './support/build.ts';
import { asObject, asTable, machine, type Run } from './support/report.ts';

/** In the order in which `all` runs them. */
const BENCHMARKS: readonly Benchmark[] = [pods, latency, deletion, failover, clientGo, coldStart, memory, cpu, probes];

const HELP = `Usage: npm run bench -- NAME... [options]

Measures Zonelet on a real control plane of its own (build it once with "npm run kubernetes:build"), with the floor of
the same run. Progress goes to stderr, the figures to stdout. Exit status 0 means measured, also where a target is missed.

${BENCHMARKS.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`).join('\n')}
  ${'all'.padEnd(12)} every one of them, in this order

Options:
  --pods N     instead of the benchmark's own number of pods
  --rounds N   instead of its own number of rounds; figures are medians over them
  --json       a JSON object as the last line of stdout
  --help       this text
`;

interface Arguments {
  readonly chosen: readonly Benchmark[];
  readonly pods: number | undefined;
  readonly rounds: number | undefined;
  readonly json: boolean;
}

/** What is wrong with the command line as text; undefined: help was asked for. */
function readArguments(args: readonly string[]): Arguments | string | undefined {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return messageOf(error);
  }
  const { values, positionals } = parsed;
  if (values.help) return undefined;
  if (positionals.length === 0) return 'name a benchmark';
  const chosen: Benchmark[] = [];
  for (const name of positionals) {
    const found = name === 'all' ? BENCHMARKS : BENCHMARKS.filter((benchmark) => benchmark.name === name);
    if (found.length === 0) return `there is no benchmark "${name}"`;
    chosen.push(...found);
  }
  for (const option of ['pods', 'rounds'] as const) {
    const value = values[option];
    if (value !== undefined && !/^[1-9]\d{0,6}$/.test(value)) return `--${option}: not a number above 0: "${value}"`;
  }
  const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
  return { chosen, pods: number(values.pods), rounds: number(values.rounds), json: values.json };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      pods: { type: 'string' },
      rounds: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
}

async function run(read: Arguments, { signal, say }: Frame): Promise<number> {
  const runs: Run[] = [];
  say('building');
  const zonelet = await buildZonelet();
  for (const benchmark of read.chosen) {
    signal.throwIfAborted();
    say(`\n${benchmark.name}: ${benchmark.summary}`);
    const pods = read.pods ?? benchmark.defaultPods;
    const rounds = read.rounds ?? benchmark.defaultRounds;
    const report = await benchmark.run({
      pods,
      rounds,
      zonelet,
      clock: systemClock,
      signal,
      say: (line) => say(`  ${line}`),
    });
    const run = { benchmark: benchmark.name, pods, rounds, report };
    runs.push(run);
    process.stdout.write(`${asTable(run)}\n\n`);
  }
  if (read.json) {
    const result = { date: new Date(systemClock.now()).toISOString(), machine: machine(), runs: runs.map(asObject) };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }
  return 0;
}

await runCommand({ help: HELP, read: readArguments, run });
