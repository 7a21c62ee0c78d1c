/** `zonelet uninstall`: every zone of a set, and what the replicas keep of themselves. */
import { hasCode } from '../errors.ts';
import { LEASES } from '../kube/resources.ts';
import { defineCommand } from './command.ts';
import { readRemovalOptions, removalOptions } from './operator/removal-options.ts';
import { readReplicas } from './operator/replicas.ts';
import { openSet, type SetAccess } from './operator/set-access.ts';
import { carryOut, describe, planRemoval } from './operator/zone-removal.ts';

export const uninstall = defineCommand({
  name: 'uninstall',
  summary: 'Take all zones of a set away, and say what is left.',
  description: `Does for every zone of the configuration what "zonelet remove-zone" does for one, deletes the Leases of replicas that are dead, and says what it left. The replicas have to run while it works, because only leaders may touch backends; stop them when it is done, not before.

Nothing is touched unless every zone can be removed and --yes is given; without it, what would be done is printed.`,
  options: {
    ...removalOptions,
    yes: { type: 'boolean', short: 'y', description: 'Do it.' },
  },
  examples: [
    { what: 'What would be done.', command: 'zonelet uninstall --config zonelet.yaml --drain' },
    { what: 'Do it.', command: 'zonelet uninstall --config zonelet.yaml --drain --yes' },
  ],
  exitStatuses: {
    0: 'Nothing of the zones is left in the cluster; or without --yes, nothing speaks against it.',
    1: 'Something stays; stderr says what and why.',
    2: 'The command line, the configuration or the kubeconfig is wrong; nothing was done.',
  },
  async run(environment, parsed) {
    const { stdout, stderr } = environment;
    await using set = await openSet(environment, parsed.options.config);
    const stop = new AbortController();
    using undo = new DisposableStack();
    undo.defer(environment.onStopSignal(() => stop.abort()));
    const say = (line: string): void => void stdout.write(`${line}\n`);
    const options = readRemovalOptions(parsed, set, say, stop.signal);
    const plans = await Promise.all(set.config.zones.map((zone) => planRemoval(options, zone)));
    const doIt = parsed.options.yes && !parsed.options['dry-run'];
    if (!doIt) for (const line of plans.flatMap((plan) => describe(plan, options))) say(`would: ${line}`);
    const objections = plans.flatMap(({ zone, objections: each }) => each.map((text) => `zone ${zone.name}: ${text}`));
    if (objections.length > 0) {
      for (const objection of objections) stderr.write(`zonelet: nothing is removed: ${objection}\n`);
      return 1;
    }
    if (!doIt) {
      say('Nothing was done. Add --yes to do it.');
      return 0;
    }
    for (const plan of plans) await carryOut(plan, options);
    await removeDeadReplicas(set, say);
    say(
      'Left: the configuration and whatever runs the replicas (StatefulSet, RBAC), Events, the policy that "zonelet fence-policy" prints where it was applied, and what backends and Redis remember of epochs, so that a set of this name begins above them.',
    );
    return 0;
  },
});

/** Those that live tell of themselves again every 2 s, and take it back when they stop. */
async function removeDeadReplicas({ client, config, namespace, clock }: SetAccess, say: (line: string) => void) {
  const replicas = await readReplicas(client, { set: config.set, namespace }, clock);
  for (const { alive, lease } of replicas) {
    if (alive) continue;
    try {
      const { name = '', uid, resourceVersion } = lease.metadata ?? {};
      await client.delete(
        LEASES,
        { namespace, name },
        { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) },
      );
    } catch (error) {
      if (!hasCode(error, 'NotFound', 'Conflict')) throw error;
    }
  }
  const living = replicas.filter(({ alive }) => alive).map(({ name }) => name);
  if (living.length > 0) {
    say(
      `Still running: ${living.join(', ')}. Stop them now; each takes its Lease away, and makes its zones again if it is started anew.`,
    );
  }
}
