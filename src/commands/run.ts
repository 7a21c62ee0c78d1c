/** `zonelet run`: one replica of a set, until it is told to stop. */

import { systemClock, systemRandom } from '../clock.ts';
import { startWatchdog } from '../election/watchdog.ts';
import { messageOf } from '../errors.ts';
import { createLogger } from '../log.ts';
import { version } from '../version.ts';
import { defineCommand } from './command.ts';
import { readConfiguration } from './run/configuration.ts';
import { keepSmall } from './run/memory.ts';

export const run = defineCommand({
  name: 'run',
  summary: 'Run one replica of a set.',
  description: `Runs one replica: it keeps every zone of the configuration warm, campaigns for each, and for the zones that it leads keeps the virtual node and runs the pods that Kubernetes binds to it on the zone's backend. Every replica of a set gets the same file; what differs comes from the environment (\${POD_NAME}) or from the options here, which stand in for the file.

The first SIGTERM or SIGINT ends it in good order: the work on pods is finished, statuses are written, the zones are given up so that other replicas lead them at once. A second one ends it without waiting. Pods go on running on their backends either way.

Logs go to stderr. /metrics, /livez and /readyz are served on the port http.port; a standby is as ready as a leader. In a cluster NODE_NAME (from spec.nodeName) tells where the replica runs, which gives it its home zone when the configuration names none. When that node is cordoned, or the replica's own pod is being deleted, it gives its zones to other replicas before it is told to stop, and takes none.`,
  options: {
    config: {
      type: 'string',
      short: 'c',
      value: 'FILE',
      required: true,
      description: 'The configuration file (YAML).',
    },
    replica: {
      type: 'string',
      value: 'NAME',
      description: 'Name of this replica, unique in the set; instead of replica.name.',
    },
    'home-zone': {
      type: 'string',
      value: 'ZONE',
      description: 'The zone that it runs in and prefers to lead; instead of replica.homeZone.',
    },
    'kubelet-port': {
      type: 'integer',
      value: 'PORT',
      min: 0,
      max: 65_535,
      description:
        'First port of the kubelet API, zone i listens on PORT + i, 0 picks free ones; instead of kubelet.port.',
    },
    'http-port': {
      type: 'integer',
      value: 'PORT',
      min: 0,
      max: 65_535,
      description: 'Port of metrics and health checks, 0 picks a free one; instead of http.port.',
    },
  },
  examples: [
    { what: 'A replica as the file has it.', command: 'zonelet run --config zonelet.yaml' },
    {
      what: 'A second one on the same machine.',
      command: 'zonelet run -c zonelet.yaml --replica replica-1 --home-zone zone-b --kubelet-port 0 --http-port 0',
    },
  ],
  exitStatuses: {
    0: 'It was told to stop and stopped in good order.',
    1: 'It failed, or did not wind everything down before it had to end; the log says what.',
    2: 'The command line, the configuration or the kubeconfig is wrong; nothing was done.',
  },
  async run(environment, { options }) {
    const { cwd, env, hostname } = environment;
    const reading = readConfiguration({
      file: options.config,
      cwd,
      env,
      hostname,
      overrides: {
        replica: options.replica,
        homeZone: options['home-zone'],
        kubeletPort: options['kubelet-port'],
        httpPort: options['http-port'],
      },
    });
    // Meanwhile, all that runs a replica is read and compiled.
    const [config, { createMetrics }, { openConnection }, { outside }, { runReplica }] = await Promise.all([
      reading,
      import('../metrics/metrics.ts'),
      import('./connection.ts'),
      import('./run/outside.ts'),
      import('./run/replica.ts'),
    ]);
    const clock = systemClock;
    const log = createLogger(config.log).child({ set: config.set, replica: config.replica.name });
    const metrics = createMetrics({ set: config.set, version: version() });
    const stop = new AbortController();
    const halt = new AbortController();
    using undo = new DisposableStack();
    undo.defer(
      environment.onStopSignal((signal) => {
        log.info({ signal }, stop.signal.aborted ? 'told to stop again: ending without waiting' : 'told to stop');
        if (stop.signal.aborted) halt.abort();
        stop.abort();
      }),
    );
    await using access = await openConnection({
      ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }),
      env,
      clock,
      metrics: metrics.api,
      log,
    });
    using _watchdog = startWatchdog({ blockedForMs: config.election.leaseDurationMs });
    keepSmall(clock);
    const { failure, abandoned } = await runReplica({
      config,
      client: access.client,
      namespace: config.namespace ?? env.POD_NAMESPACE ?? access.namespace ?? 'default',
      nodeName: env.NODE_NAME,
      inCluster: access.namespace === undefined ? undefined : { namespace: access.namespace, name: hostname },
      arch: environment.arch,
      clock,
      random: systemRandom,
      metrics,
      log,
      outside,
      stop: stop.signal,
      halt: halt.signal,
    });
    if (failure !== undefined) log.error({ part: failure.part, error: messageOf(failure.error) }, 'ended by a failure');
    else log.info({ abandoned }, 'stopped');
    return failure === undefined && abandoned.length === 0 ? 0 : 1;
  },
});
