/** `zonelet status`: the zones of a set and who leads them, from the API server alone. */
import { defineCommand } from './command.ts';
import { openSet } from './operator/set-access.ts';
import { readStatus } from './status-report.ts';
import { statusTable } from './status-table.ts';

export const status = defineCommand({
  name: 'status',
  summary: 'Show the zones of a set: who leads them, what runs in them.',
  description: `Reads the set's Nodes, Leases and pods from the API server and shows each zone with its virtual node, leader, epoch and pods, how its backend is and who would lead it next and why, and each replica with the zones that it leads. What is out of the ordinary gets a sentence: a backend that is not up, and who sees what of it; pods of a zone that are not moved because too many zones are in trouble at once; a replica that gives its zones away. No replica is asked: it works from anywhere that kubectl works, also while no replica runs.

With -o json it prints one object: {zones: [{name, node, ready, leader, epoch, since, pods, capacity, allocated, election, health: {state, reason, message}, brake, next: {replica, why}}], replicas: [{name, homeZone, zones, draining, sees}]}. What is not known is null. Keys may be added.`,
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
  async run(environment, { options }) {
    await using set = await openSet(environment, options.config);
    const report = await readStatus(set);
    const { stdout } = environment;
    stdout.write(options.output === 'json' ? `${JSON.stringify(report)}\n` : statusTable(report, set.clock.now()));
    return 0;
  },
});
