/** `npm run chaos -- [options]`: see README.md. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { hasRedisServer } from '../support/redis-server.ts';
import { endGroup, isSupervised, stopSignal, supervise } from '../support/supervise.ts';
import { HELP, readArguments } from './arguments.ts';
import { type Outcome, playRounds } from './rounds.ts';

const ANY_SEED = 1_000_000;

async function main(): Promise<number> {
  const read = readArguments(process.argv.slice(2), {
    anySeed: () => 1 + Math.floor(Math.random() * ANY_SEED),
    hasRedis: hasRedisServer,
  });
  if (read === undefined) {
    process.stdout.write(HELP);
    return 0;
  }
  if (typeof read === 'string') {
    process.stderr.write(`${read}\n\n${HELP}`);
    return 2;
  }
  if (!isSupervised()) return await supervise();
  const signal = stopSignal();
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const { json, ...chosen } = read;
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-chaos-'));
  let outcome: Outcome | undefined;
  try {
    say(`chaos: ${read.rounds} rounds on ${read.on}, election by ${read.election}`);
    outcome = await playRounds({ ...read, folder, clock: systemClock, signal, say });
  } catch (error) {
    say(signal.aborted ? 'stopped' : error instanceof Error && error.stack !== undefined ? error.stack : String(error));
  }
  if (outcome?.ok === true || signal.aborted) await rm(folder, { recursive: true, force: true });
  else say(`the logs of all processes and the journals of the backends are in ${folder}`);
  if (outcome !== undefined) {
    const { ok, ...counts } = outcome;
    const again = `--seed ${read.seed} --rounds ${read.rounds} --on ${read.on} --election ${read.election}`;
    process.stdout.write(`${ok ? 'everything held' : `NOT everything held; to do the same again: ${again}`}\n`);
    for (const [name, count] of Object.entries(counts)) process.stdout.write(`  ${name.padEnd(20)} ${count}\n`);
    if (json) process.stdout.write(`${JSON.stringify({ ...chosen, ...outcome })}\n`);
  }
  return outcome?.ok === true ? 0 : 1;
}

const status = await main();
process.stdout.write('', () => {
  if (isSupervised() && !process.connected) endGroup(process.pid);
  process.exit(status);
});
