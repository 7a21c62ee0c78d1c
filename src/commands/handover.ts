/** `zonelet handover`: a zone from its leader to another replica, in good order. */
import { systemRandom } from '../clock.ts';
import { defineCommand } from './command.ts';
import { handOver } from './operator/hand-over.ts';
import { openSet, zoneNamed } from './operator/set-access.ts';

export const handover = defineCommand({
  name: 'handover',
  summary: 'Give a zone to another replica, in good order.',
  description: `Asks the leader of a zone to give it to another replica: it finishes what is under way, writes the statuses it has, and lets the lock go for that replica alone, which takes over at once. No pod restarts and the node stays Ready. The command waits until the other one leads, and prints for how long at most nobody did.

The request is an annotation on the zone's Node (zonelet.dev/handover-to), so all it needs is the right to patch Nodes and to read Leases; it works with every kind of election. The leader checks that the other replica is alive, has the zone and is not draining, and refuses with an Event and an answer that is printed here otherwise. A request that nobody answers within a minute has expired.

A zone that was put somewhere by hand stays there until its leader changes for another reason: with election.handBack: auto it does not go home a minute later. To send it home, hand it over to its home replica.`,
  options: {
    config: {
      type: 'string',
      short: 'c',
      value: 'FILE',
      required: true,
      description: 'The configuration file (YAML) of the set.',
    },
    zone: { type: 'string', short: 'z', value: 'ZONE', required: true, description: 'The zone.' },
    to: {
      type: 'string',
      value: 'REPLICA',
      description:
        'The replica that is to lead it. Without it, the best other one: at home in the zone, else the one that leads fewest.',
    },
    output: {
      type: 'string',
      short: 'o',
      value: 'FORMAT',
      default: 'text',
      choices: ['text', 'json'],
      description: 'json: one object {zone, from, to, epoch, gapMs} on stdout, progress on stderr.',
    },
  },
  examples: [
    {
      what: 'Away from its leader, before work on the machine that it runs on.',
      command: 'zonelet handover --config zonelet.yaml --zone zone-a',
    },
    {
      what: 'To a certain replica.',
      command: 'zonelet handover -c zonelet.yaml -z zone-a --to zonelet-2',
    },
  ],
  exitStatuses: {
    0: 'The replica that was asked for leads the zone.',
    1: 'It does not: refused, not alive, nobody leads the zone, or the API server could not be reached; stderr says which.',
    2: 'The command line, the configuration or the kubeconfig is wrong; nothing was done.',
  },
  async run(environment, { options }) {
    const { stdout, stderr } = environment;
    await using set = await openSet(environment, options.config);
    const { config, client, namespace, clock, by } = set;
    const zone = zoneNamed(config, options.zone);
    const stop = new AbortController();
    using undo = new DisposableStack();
    undo.defer(environment.onStopSignal(() => stop.abort()));
    const progress = options.output === 'json' ? stderr : stdout;
    const done = await handOver({
      client,
      set: config.set,
      namespace,
      zone,
      to: options.to,
      by,
      clock,
      random: systemRandom,
      say: (line) => void progress.write(`${line}\n`),
      signal: stop.signal,
    });
    const gapMs = Math.round(done.gapMs);
    if (options.output === 'json') stdout.write(`${JSON.stringify({ zone: zone.name, ...done, gapMs })}\n`);
    else if (done.from !== done.to) {
      stdout.write(
        `${done.to} leads zone ${zone.name} with epoch ${done.epoch}; nobody did for at most ${gapMs} ms.\n`,
      );
    }
    return 0;
  },
});
