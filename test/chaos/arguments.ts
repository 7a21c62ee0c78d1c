/** The command line of `npm run chaos`. */
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';

export interface Arguments {
  readonly rounds: number;
  readonly seed: number;
  readonly on: 'embedded' | 'kubernetes';
  readonly election: 'lease' | 'redis';
  /** What the API server itself does with a status whose epoch is too low. */
  readonly fence: 'warn' | 'enforce';
  /** Only what has this in its name is done. */
  readonly only: string;
  readonly pods: number;
  readonly json: boolean;
}

export const HELP = `Usage: npm run chaos -- [options]

Does to a set, as real processes, what happens to processes, machines and networks, one thing a round, while pods are
created and deleted all the time; after each round it waits for calm and holds everything that was recorded to the
invariants. Progress goes to stderr, the counts to stdout.

  --rounds N       how many things to do                               (default 8)
  --seed S         decides what is done to whom and for how long       (default another one every time)
  --on WHERE       embedded, or kubernetes: a real control plane of its own, which
                   "npm run kubernetes:build" has built                (default embedded)
  --election BY    lease, or redis: three servers, which keep the pod state
                   too; redis-server has to be installed               (default lease)
  --fence MODE     enforce: the API server itself compares epochs, by the policy of
                   "zonelet fence-policy", on kubernetes only; warn: statuses carry their
                   epoch, and nothing looks at it but the end of a round (default warn)
  --only TEXT      nothing but what has this in its name            (default all)
  --pods N         pods of the Deployment that runs all the time       (default 9)
  --json           the counts as a JSON object on the last line of stdout
  --help           this text

Exit status: 0 when everything held, 1 when something did not or it was stopped, 2 when the command line is wrong.
`;

const NUMBERS = { rounds: 8, pods: 9 } as const;

export interface Machine {
  anySeed(): number;
  readonly hasRedis: boolean;
}

/** Text: what is wrong with the command line. Undefined: help was asked for. */
export function readArguments(args: readonly string[], { anySeed, hasRedis }: Machine): Arguments | string | undefined {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    return messageOf(error);
  }
  if (values.help) return undefined;
  for (const option of ['rounds', 'pods', 'seed'] as const) {
    const value = values[option];
    if (value !== undefined && !/^[1-9]\d{0,8}$/.test(value)) return `--${option}: not a number above 0: "${value}"`;
  }
  const { on, election, fence } = values;
  if (on !== 'embedded' && on !== 'kubernetes') return `--on: embedded or kubernetes, not "${on}"`;
  if (election !== 'lease' && election !== 'redis') return `--election: lease or redis, not "${election}"`;
  if (election === 'redis' && !hasRedis) return '--election redis: there is no redis-server on this machine';
  if (fence !== 'warn' && fence !== 'enforce') return `--fence: warn or enforce, not "${fence}"`;
  if (fence === 'enforce' && on !== 'kubernetes') {
    return '--fence enforce: the embedded API server evaluates no policies; use --on kubernetes';
  }
  return {
    rounds: Number(values.rounds ?? NUMBERS.rounds),
    pods: Number(values.pods ?? NUMBERS.pods),
    seed: Number(values.seed ?? anySeed()),
    on,
    election,
    fence,
    only: values.only,
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      seed: { type: 'string' },
      on: { type: 'string', default: 'embedded' },
      election: { type: 'string', default: 'lease' },
      fence: { type: 'string', default: 'warn' },
      only: { type: 'string', default: '' },
      pods: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  }).values;
}

/** What asks for the same faults in the same order again. */
export function commandLine({ seed, rounds, on, election, fence, only }: Arguments): string {
  const all = `--seed ${seed} --rounds ${rounds} --on ${on} --election ${election} --fence ${fence}`;
  return only === '' ? all : `${all} --only '${only}'`;
}
