/** `npm run chaos -- [options]`: see README.md. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { type Frame, runCommand, whatHappened } from '../support/command-frame.ts';
import { hasRedisServer } from '../support/redis-server.ts';
import { type Arguments, commandLine, HELP, readArguments } from './arguments.ts';
import { type Outcome, playRounds } from './rounds.ts';

const ANY_SEED = 1_000_000;

async function run(read: Arguments, { signal, say }: Frame): Promise<number> {
  const { json, ...chosen } = read;
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-chaos-'));
  let outcome: Outcome | undefined;
  try {
    say(`chaos: ${read.rounds} rounds on ${read.on}, election by ${read.election}`);
    outcome = await playRounds({ ...read, folder, clock: systemClock, signal, say });
  } catch (error) {
    say(whatHappened(error, signal));
  }
  if (outcome?.ok === true || signal.aborted) await rm(folder, { recursive: true, force: true });
  else say(`the logs of all processes and the journals of the backends are in ${folder}`);
  if (outcome !== undefined) {
    const { ok, ...counts } = outcome;
    process.stdout.write(
      `${ok ? 'everything held' : `NOT everything held; to do the same again: ${commandLine(read)}`}\n`,
    );
    for (const [name, count] of Object.entries(counts)) process.stdout.write(`  ${name.padEnd(20)} ${count}\n`);
    if (json) process.stdout.write(`${JSON.stringify({ ...chosen, ...outcome })}\n`);
  }
  return outcome?.ok === true ? 0 : 1;
}

await runCommand({
  help: HELP,
  read: (args) =>
    readArguments(args, { anySeed: () => 1 + Math.floor(Math.random() * ANY_SEED), hasRedis: hasRedisServer }),
  run,
});
