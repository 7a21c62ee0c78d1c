/** `zonelet status`: the zones of a set and who leads them, from the API server alone. */
import { systemClock } from '../clock.ts';
import { loadConfig } from '../config/load.ts';
import { createLogger } from '../log.ts';
import { loadProvider } from '../provider/loading.ts';
import { defineCommand } from './command.ts';
import { openConnection } from './connection.ts';
import { readStatus } from './status-report.ts';
import { statusTable } from './status-table.ts';

export const status = defineCommand({
  name: 'status',
  summary: 'Show the zones of a set: who leads them, what runs in them.',
  description: `Reads the set's Nodes, Leases and pods from the API server and shows each zone with its virtual node, leader, epoch and pods, and each replica with the zones that it leads. No replica is asked: it works from anywhere that kubectl works, also while no replica runs.

With -o json it prints one object: {zones: [{name, node, ready, leader, epoch, since, pods, capacity, allocated}], replicas: [{name, homeZone, zones}]}.`,
  options: {
    config: {
      type: 'string',
      short: 'c',
      value: 'FILE',
      required: true,
      description: 'The configuration file (YAML) of the set.',
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      default: 'table',
      choices: ['table', 'json'],
      description: 'What is printed.',
    },
  },
  examples: [
    { what: 'Who leads what.', command: 'zonelet status --config zonelet.yaml' },
    {
      what: 'The leader of each zone, for scripts.',
      command: "zonelet status -c zonelet.yaml -o json | jq '.zones[] | {name, leader}'",
    },
  ],
  exitStatuses: {
    0: 'It was read and printed.',
    1: 'The API server could not be read; stderr says why.',
    2: 'The command line, the configuration or the kubeconfig is wrong.',
  },
  async run({ cwd, env, hostname, stdout }, { options }) {
    const clock = systemClock;
    // The file's references are those of a replica; whoever looks from outside need not have them all.
    const config = await loadConfig({
      file: options.config,
      cwd,
      env: { POD_NAME: 'status', POD_UID: '', ...env },
      hostname,
      checkProvider: loadProvider,
    });
    await using access = await openConnection({
      ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }),
      env,
      clock,
      log: createLogger({ level: 'warn', format: 'text' }),
    });
    const report = await readStatus({
      client: access.client,
      clock,
      namespace: config.namespace ?? env.POD_NAMESPACE ?? access.namespace ?? 'default',
      config,
    });
    stdout.write(options.output === 'json' ? `${JSON.stringify(report)}\n` : statusTable(report, clock.now()));
    return 0;
  },
});
