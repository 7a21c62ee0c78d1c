/**
 * From the arguments to a command. Only the module of the command that was asked for is loaded: a replica does not pay
 * for the demo, and `--help` is quick.
 */
import { ConfigError } from '../config/problem.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import { version } from '../version.ts';
import { parseArguments } from './arguments.ts';
import type { AnyCommand } from './command.ts';
import type { Environment } from './environment.ts';
import { commandHelp, overview } from './help.ts';
import { UsageError } from './usage-error.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<AnyCommand>;
}

/** Every command, in the order of the help page. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'run',
    summary: 'Run one replica of a set.',
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'validate',
    summary: 'Check a configuration file and name every mistake in it.',
    load: async () => (await import('./validate.ts')).validate,
  },
  {
    name: 'status',
    summary: 'Show the zones of a set: who leads them, what runs in them.',
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'handover',
    summary: 'Give a zone to another replica, in good order.',
    load: async () => (await import('./handover.ts')).handover,
  },
  {
    name: 'fence-policy',
    summary: 'Print the policy with which the API server refuses what comes too late.',
    load: async () => (await import('./fence-policy.ts')).fencePolicy,
  },
  {
    name: 'remove-zone',
    summary: 'Take a zone out of a live set: its pods, its node, its backend objects.',
    load: async () => (await import('./remove-zone.ts')).removeZone,
  },
  {
    name: 'uninstall',
    summary: 'Take all zones of a set away, and say what is left.',
    load: async () => (await import('./uninstall.ts')).uninstall,
  },
  {
    name: 'demo',
    summary: 'Show three zones, three replicas and a take-over, on this machine.',
    load: async () => (await import('./demo.ts')).demo,
  },
  {
    name: 'backend',
    summary: 'Run the backend of a zone: what a provider of kind web talks to.',
    load: async () => (await import('./backend.ts')).backend,
  },
  {
    name: 'local-cluster',
    summary: 'Run a small Kubernetes API on this machine, for trying things out.',
    load: async () => (await import('./local-cluster.ts')).localCluster,
  },
];

/** Runs what the arguments ask for and resolves with the exit status. Never throws. */
export async function runCommandLine(environment: Environment, commands = COMMANDS): Promise<number> {
  const { stdout, stderr } = environment;
  try {
    return await dispatch(environment, commands);
  } catch (error) {
    // Problems of a file begin with its name and line, as compilers have it, so that editors can jump there.
    const prefix = error instanceof ConfigError ? '' : 'zonelet: ';
    for (const line of messageOf(error).split('\n')) stderr.write(`${prefix}${line}\n`);
    if (error instanceof UsageError || error instanceof ConfigError) return 2;
    // What is not one of our own errors is a defect: the stack is what its report needs.
    if (!(error instanceof ZoneletError) && error instanceof Error) stderr.write(`${error.stack ?? ''}\n`);
    return 1;
  }

  async function dispatch(of: Environment, table: readonly CommandEntry[]): Promise<number> {
    const [first, ...rest] = of.args;
    if (first === undefined) {
      stderr.write(overview(table));
      return 2;
    }
    if (first === '--version' || first === 'version') {
      stdout.write(`${version()}\n`);
      return 0;
    }
    if (first === '--help' || first === '-h' || (first === 'help' && rest.length === 0)) {
      stdout.write(overview(table));
      return 0;
    }
    const wantsHelp = first === 'help';
    const command = await find(wantsHelp ? (rest[0] ?? '') : first, table).load();
    const parsed = wantsHelp ? 'help' : parseArguments(command, rest);
    if (parsed === 'help') {
      stdout.write(commandHelp(command));
      return 0;
    }
    return await command.run(of, parsed as Parameters<AnyCommand['run']>[1]);
  }
}

function find(name: string, table: readonly CommandEntry[]): CommandEntry {
  const entry = table.find((candidate) => candidate.name === name);
  if (entry !== undefined) return entry;
  const names = table.map((candidate) => candidate.name);
  if (name.startsWith('-')) throw new UsageError(`unknown option ${name}\nsee "zonelet --help"`);
  const meant = nearest(name, names);
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  throw new UsageError(`unknown command "${name}"${hint}\nthere are: ${names.join(', ')}; see "zonelet --help"`);
}
