/** `zonelet local-cluster`: a small Kubernetes API server, scheduler and controllers in one process. */
import { resolve } from 'node:path';
import { systemClock, systemRandom } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import { createKubeClient } from '../kube/api-client.ts';
import { startApiServer } from '../local-cluster/api-server/start-api-server.ts';
import { runControllers } from '../local-cluster/controllers/controllers.ts';
import { createLogger, type LogLevel } from '../log.ts';
import { defineCommand } from './command.ts';
import { readListen } from './listen-address.ts';
import { UsageError } from './usage-error.ts';

export const localCluster = defineCommand({
  name: 'local-cluster',
  summary: 'Run a small Kubernetes API on this machine, for trying things out.',
  description: `Serves the part of the Kubernetes API that a Zonelet set, Deployments and stock kubectl need (pods, nodes, leases, events, ConfigMaps, Secrets, ServiceAccounts, namespaces, Deployments, ReplicaSets). Beside it run a scheduler and controllers: Deployments and ReplicaSets make pods, pods are bound to nodes, a node that is silent becomes Unknown and loses its pods after their tolerations, and what its owner left is deleted. It runs no pods itself: that is what nodes are for. There is no etcd, no RBAC and no network of pods: it is for demos and tests, not for production.

It serves HTTPS with a certificate authority of its own. The kubeconfig that --kubeconfig names is written once it listens; kubectl and every other client takes it. Whoever can read that file may do everything.

With --data everything is kept in one file, which is written before a request is answered: after SIGKILL, start it again with the same options and it goes on with the same objects, resourceVersions and credentials.

SIGTERM or SIGINT ends it. One line on stdout says when it listens; logs go to stderr.`,
  options: {
    listen: {
      type: 'string',
      value: 'HOST:PORT',
      default: '127.0.0.1:6443',
      description: 'Where to listen. Port 0 picks a free one, which the line on stdout names.',
    },
    data: {
      type: 'string',
      value: 'FILE',
      description: 'Keep everything in FILE; one server at a time. Without it everything is forgotten at the end.',
    },
    kubeconfig: {
      type: 'string',
      value: 'FILE',
      default: 'zonelet-local.kubeconfig',
      description: 'Write a kubeconfig with all rights to FILE.',
    },
    'log-level': {
      type: 'string',
      value: 'LEVEL',
      default: 'info',
      choices: ['debug', 'info', 'warn', 'error'],
      description: 'How much to log.',
    },
  },
  examples: [
    { what: 'A cluster until it is stopped.', command: 'zonelet local-cluster' },
    {
      what: 'One that survives its own end.',
      command: 'zonelet local-cluster --data cluster.data --kubeconfig cluster.kubeconfig',
    },
    { what: 'Look into it.', command: 'kubectl --kubeconfig zonelet-local.kubeconfig get all -A' },
  ],
  exitStatuses: {
    0: 'It was told to stop and stopped in good order.',
    1: 'It failed; the log says how.',
    2: 'The command line, or a file that it names, cannot be used.',
  },
  async run({ cwd, stdout, onStopSignal }, { options }) {
    const log = createLogger({ level: options['log-level'] as LogLevel, format: 'json' });
    const stop = new AbortController();
    using undo = new DisposableStack();
    undo.defer(onStopSignal(() => stop.abort()));
    const { host, port } = readListen(options.listen, '127.0.0.1:6443');
    await using server = await startApiServer({
      host,
      port,
      ...(options.data === undefined ? {} : { dataFile: resolve(cwd, options.data) }),
      kubeconfigFile: resolve(cwd, options.kubeconfig),
      clock: systemClock,
      random: systemRandom,
      log,
    }).catch((error: unknown) => {
      // A file or an address that cannot be used: somebody has to mend the command line.
      if (hasCode(error, 'InvalidInput', 'Conflict')) throw new UsageError(messageOf(error));
      throw error;
    });
    stdout.write(`zonelet local-cluster: listening on ${server.url}, kubeconfig ${options.kubeconfig}\n`);
    const client = createKubeClient({ transport: server.transport(), clock: systemClock, log });
    await runControllers({ client, clock: systemClock, random: systemRandom, log }, stop.signal);
    return 0;
  },
});
