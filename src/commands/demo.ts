/** `zonelet demo`: the whole thing on one machine, every part a process of its own, with leaders to kill. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock, systemRandom } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { silentLogger } from '../log.ts';
import { defineCommand } from './command.ts';
import { openConnection } from './connection.ts';
import { assertNoSuchSet } from './demo/cluster-check.ts';
import { playInteractively } from './demo/interactive.ts';
import { clearCluster, openPlay } from './demo/play.ts';
import { buildStage, DEMO_SET } from './demo/stage.ts';
import { playStory, type Summary } from './demo/story.ts';

export const demo = defineCommand({
  name: 'demo',
  summary: 'Show three zones, three replicas and a take-over, on this machine.',
  description: `Starts, each as a process of its own, an embedded Kubernetes API, a backend for each zone and the replicas of a set; then runs a Deployment's pods on the virtual nodes and shows zones, leaders, epochs and pods as they change. Keys kill a leader with SIGKILL; another replica takes its zone over while no pod restarts and the node stays Ready. A killed replica is started again after a few seconds, as a StatefulSet would.

The cluster is an ordinary one for kubectl: the screen names the kubeconfig. With --kubeconfig the same plays on a cluster of yours; the demo's Deployment, Nodes and Leases are removed at the end. The backends only keep state: nothing is really run.

Without a terminal, or with --script, the story plays by itself: start, pods run, SIGKILL of one leader, take-over, SIGTERM of another, scale, stop.`,
  options: {
    kubeconfig: {
      type: 'string',
      value: 'FILE',
      description:
        'Play on this cluster instead of the embedded one. Its API server must reach this machine for kubectl logs only.',
    },
    script: { type: 'boolean', description: 'Play the story unattended and end with a summary.' },
    json: {
      type: 'boolean',
      description:
        'With --script: the last line of stdout is the summary as one JSON object (pods, takeover_ms, restarts, duplicates, node_not_ready_ms, ok); the story goes to stderr.',
    },
    replicas: { type: 'integer', value: 'N', default: 3, min: 2, max: 9, description: 'Replicas of the set.' },
    zones: {
      type: 'integer',
      value: 'N',
      default: 3,
      min: 1,
      max: 9,
      description: 'Zones, with a virtual node and a backend each.',
    },
    pods: { type: 'integer', value: 'N', default: 12, min: 1, max: 5000, description: 'Pods of the Deployment.' },
  },
  examples: [
    { what: 'Watch, and kill leaders with the keys 1 to 3.', command: 'zonelet demo' },
    { what: 'The story unattended, for scripts.', command: 'zonelet demo --script --json' },
    { what: 'The same on a cluster of yours.', command: 'zonelet demo --kubeconfig ~/.kube/config --pods 60' },
  ],
  exitStatuses: {
    0: 'No pod restarted, none was created twice and no node left Ready; or the demo was quit.',
    1: 'One of these happened, or a part did not come up; stderr says what.',
    2: 'The command line or the kubeconfig is wrong, or a set called "demo" runs on that cluster already; nothing was done.',
  },
  async run(environment, { options }) {
    const { stdin, stdout, stderr, env, self, cwd } = environment;
    const clock = systemClock;
    const unattended = options.script || options.json || !stdin.isTTY || !stdout.isTTY;
    const say = (line: string): void => void (options.json ? stderr : stdout).write(`${line}\n`);
    const stop = new AbortController();
    using undo = new DisposableStack();
    undo.defer(
      environment.onStopSignal(() => {
        // A second one: whoever sent it does not want to wait for the parts to stop.
        if (stop.signal.aborted) environment.exit(1);
        stop.abort();
      }),
    );
    const kubeconfig = options.kubeconfig === undefined ? undefined : resolve(cwd, options.kubeconfig);
    if (kubeconfig !== undefined) {
      // Asked before anything is started: an embedded cluster takes its time to come up, somebody's is there or is not.
      await using asked = await openConnection({ kubeconfig, env, clock, log: silentLogger });
      await assertNoSuchSet(asked.client, DEMO_SET);
    }
    const folder = await mkdtemp(join(tmpdir(), 'zonelet-demo-'));
    const stage = await buildStage({
      folder,
      self,
      env,
      kubeconfig,
      zones: options.zones,
      replicas: options.replicas,
      random: systemRandom,
    });
    const staging = { stage, env, clock, random: systemRandom, pods: options.pods, signal: stop.signal, say };
    let status = 1;
    let summary: Summary | undefined;
    try {
      await using play = await openPlay(staging);
      if (unattended) {
        summary = await playStory({
          stage,
          client: play.client,
          observer: play.observer,
          clock,
          pods: options.pods,
          signal: stop.signal,
          say,
        });
        status = summary.ok ? 0 : 1;
      } else {
        await playInteractively({ ...staging, play, stdin, stdout });
        status = 0;
      }
    } catch (error) {
      if (!stop.signal.aborted)
        stderr.write(`zonelet: ${messageOf(error)}\nzonelet: logs and journals are in ${folder}\n`);
    } finally {
      if (kubeconfig !== undefined) await clearCluster(staging);
      say('stopping');
      await stage.stop(clock);
    }
    if (summary !== undefined) {
      const restartsLine = `${summary.pods} pods, take-overs ${summary.takeover_ms.map((ms) => `${ms} ms`).join(' and ')}, ${summary.restarts} restarts, ${summary.duplicates} created twice, nodes not Ready for ${summary.node_not_ready_ms} ms`;
      say(`${summary.ok ? 'all is well' : 'NOT as it should be'}: ${restartsLine}`);
      if (options.json) stdout.write(`${JSON.stringify(summary)}\n`);
    }
    return status;
  },
});
