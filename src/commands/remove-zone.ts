/** `zonelet remove-zone`: one zone out of a live set. */
import { defineCommand } from './command.ts';
import { readRemovalOptions, removalOptions } from './operator/removal-options.ts';
import { openSet, zoneNamed } from './operator/set-access.ts';
import { carryOut, describe, planRemoval } from './operator/zone-removal.ts';

export const removeZone = defineCommand({
  name: 'remove-zone',
  summary: 'Take a zone out of a live set: its pods, its node, its backend objects.',
  description: `Takes a zone away while the set runs: cordons its node, moves its pods away (with --drain or --force), and asks the zone's leader to remove what is left of this set on the zone's backend, the node Lease and the Node. Only a leader may touch a backend, so a replica that has the zone in its configuration has to run. The replicas then campaign for the zone no longer, and its Lease is deleted.

Afterwards take the zone out of the configuration and roll the replicas: one that starts with the zone in its configuration makes it again. Pods of DaemonSets do not count; they go with the node. What is on the node or in other zones of the set is not touched.`,
  options: {
    ...removalOptions,
    zone: { type: 'string', short: 'z', value: 'ZONE', required: true, description: 'The zone.' },
  },
  examples: [
    { what: 'What would be done.', command: 'zonelet remove-zone -c zonelet.yaml --zone zone-c --drain --dry-run' },
    { what: 'Do it.', command: 'zonelet remove-zone --config zonelet.yaml --zone zone-c --drain' },
  ],
  exitStatuses: {
    0: 'Nothing of the zone is left in the cluster; or with --dry-run, nothing speaks against it.',
    1: 'The zone stays; stderr says why, and what was done by then.',
    2: 'The command line, the configuration or the kubeconfig is wrong; nothing was done.',
  },
  async run(environment, parsed) {
    const { stdout, stderr } = environment;
    await using set = await openSet(environment, parsed.options.config);
    const zone = zoneNamed(set.config, parsed.options.zone);
    const stop = new AbortController();
    using undo = new DisposableStack();
    undo.defer(environment.onStopSignal(() => stop.abort()));
    const say = (line: string): void => void stdout.write(`${line}\n`);
    const options = readRemovalOptions(parsed, set, say, stop.signal);
    const plan = await planRemoval(options, zone);
    if (parsed.options['dry-run']) for (const line of describe(plan, options)) say(`would: ${line}`);
    if (plan.objections.length > 0) {
      for (const objection of plan.objections)
        stderr.write(`zonelet: zone ${zone.name} is not removed: ${objection}\n`);
      return 1;
    }
    if (parsed.options['dry-run']) return 0;
    await carryOut(plan, options);
    say(
      `Take zone ${zone.name} out of the configuration and roll the replicas: one that starts with it makes it again.`,
    );
    return 0;
  },
});
