/** `zonelet backend`: the reference server of the web protocol, one process per zone. */
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { RuntimeOptions } from '../../providers/web/server/runtimes.ts';
import { type BackendServerOptions, startBackendServer } from '../../providers/web/server/server.ts';
import { systemClock, systemRandom } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import { createLogger } from '../log.ts';
import type { Resources } from '../provider/contract.ts';
import { QUANTITY_SYNTAX, readQuantity } from '../quantity.ts';
import { defineCommand } from './command.ts';
import { readListen } from './listen-address.ts';
import { UsageError } from './usage-error.ts';

export const backend = defineCommand({
  name: 'backend',
  summary: 'Run the backend of a zone: what a provider of kind web talks to.',
  description: `Serves the web protocol for one zone and runs the pods that a set's leader sends it. Everything that must outlive the process is in the folder --data: after a crash or SIGKILL, start it again with the same options and it goes on where it was.

Runtime "simulated" runs nothing: it keeps the state of pods and gives each an address of 198.18.0.0/15.

Runtime "process" runs each container's command as a process of this machine, WITHOUT ISOLATION: no image, no file system of its own, no limits, all rights of the user that the backend runs as. Use it only for pods that you trust. Containers survive the backend's own death, and it finds their exit codes when it is back. A container without a command is refused; one with volume mounts gets a mount namespace of its own, and is refused where this machine does not let the backend make one.

Without --token-file and --client-ca only this machine may call: it listens on loopback addresses only and refuses requests with an Origin or a foreign Host. On any other address it demands the token or a client certificate.

To drain it, tell it with PUT /v2/zone that it takes no new pods (NoNew) or that the zone is down (Down), with a reason; providers/web/README.md says how.

SIGTERM or SIGINT ends it in good order; pods keep running, and it finds them again. One line on stdout says when it listens; logs go to stderr.`,
  options: {
    listen: {
      type: 'string',
      value: 'HOST:PORT',
      default: '127.0.0.1:7101',
      description: 'Where to listen. Port 0 picks a free one, which the line on stdout names.',
    },
    zone: { type: 'string', value: 'ZONE', required: true, description: 'The zone whose backend this is.' },
    runtime: {
      type: 'string',
      value: 'KIND',
      default: 'simulated',
      choices: ['simulated', 'process'],
      description: 'What runs the pods, see above.',
    },
    'pod-address': {
      type: 'string',
      value: 'IP',
      description:
        'Only for runtime process: the address of every pod, the one where this machine can be reached. Without it 127.0.0.1.',
    },
    data: {
      type: 'string',
      value: 'DIR',
      required: true,
      description: 'Folder for what must outlive the process. Made when it is not there; one backend at a time.',
    },
    journal: {
      type: 'string',
      value: 'FILE',
      description: 'Append one JSON line to FILE for each claim, create, update and delete that is asked for.',
    },
    capacity: {
      type: 'string',
      value: 'LIST',
      description:
        'Size of the zone as it is reported, such as cpu=64,memory=256Gi,pods=5000; "pods" is also the most that it takes. What is left out is the runtime\'s own.',
    },
    'token-file': {
      type: 'string',
      value: 'FILE',
      description: 'Demand the bearer token that FILE holds. Read again when it changes.',
    },
    'tls-cert': { type: 'string', value: 'FILE', description: 'Serve HTTPS with this certificate (PEM).' },
    'tls-key': { type: 'string', value: 'FILE', description: 'Key of --tls-cert (PEM).' },
    'client-ca': {
      type: 'string',
      value: 'FILE',
      description: 'Let in callers with a certificate of this CA (PEM). With --token-file either suffices.',
    },
  },
  examples: [
    {
      what: 'A zone for trying things out.',
      command: 'zonelet backend --zone zone-a --data ./zone-a',
    },
    {
      what: 'A zone whose pods are processes of this machine.',
      command: 'zonelet backend --zone zone-a --data ./zone-a --runtime process',
    },
    {
      what: 'For replicas on other machines.',
      command:
        'zonelet backend --zone zone-a --data ./zone-a --listen 0.0.0.0:7101 --token-file token --tls-cert tls.crt --tls-key tls.key',
    },
  ],
  exitStatuses: {
    0: 'It was told to stop and stopped in good order.',
    1: 'It failed; the log says how.',
    2: 'The command line, or a file that it names, cannot be used.',
  },
  async run(environment, { options }) {
    const { cwd, env, stdout } = environment;
    const log = createLogger({ level: 'info', format: 'json' }).child({ zone: options.zone });
    const stop = Promise.withResolvers<void>();
    using undo = new DisposableStack();
    undo.defer(
      environment.onStopSignal((signal) => {
        log.info({ signal }, 'told to stop; pods keep running');
        stop.resolve();
      }),
    );
    const path = (file: string): string => resolve(cwd, file);
    const server = await usable(async () => {
      const access = await readAccess(options, path);
      return await startBackendServer({
        zone: options.zone,
        ...readListen(options.listen, '127.0.0.1:7101'),
        runtime: readRuntime(options.runtime, options['pod-address'], env.PATH),
        dataFolder: path(options.data),
        ...(options.journal === undefined ? {} : { journalFile: path(options.journal) }),
        ...(options.capacity === undefined ? {} : { capacity: readCapacity(options.capacity) }),
        access,
        clock: systemClock,
        random: systemRandom,
        log,
      });
    });
    await using _server = server;
    const { notice, kind } = server.backend.runtime;
    stdout.write(`zonelet backend: zone ${options.zone}, runtime ${kind}, listening on ${server.url}\n`);
    log.info({ runtime: kind, url: server.url }, notice);
    await Promise.race([stop.promise, server.failed]);
    return 0;
  },
});

/** Somebody has to mend the command line or a file. */
async function usable<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (hasCode(error, 'InvalidInput', 'Conflict')) throw new UsageError(messageOf(error));
    throw error;
  }
}

async function readAccess(
  options: {
    readonly 'token-file': string | undefined;
    readonly 'tls-cert': string | undefined;
    readonly 'tls-key': string | undefined;
    readonly 'client-ca': string | undefined;
  },
  path: (file: string) => string,
): Promise<NonNullable<BackendServerOptions['access']>> {
  const { 'token-file': tokenFile, 'tls-cert': certFile, 'tls-key': keyFile, 'client-ca': caFile } = options;
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new UsageError('options --tls-cert and --tls-key go together');
  }
  if (caFile !== undefined && certFile === undefined) {
    throw new UsageError('option --client-ca needs --tls-cert and --tls-key');
  }
  const read = async (option: string, file: string): Promise<string> => {
    try {
      return await readFile(path(file), 'utf8');
    } catch (error) {
      throw new UsageError(`option --${option}: ${messageOf(error)}`);
    }
  };
  return {
    ...(tokenFile === undefined ? {} : { tokenFile: path(tokenFile) }),
    ...(certFile === undefined || keyFile === undefined
      ? {}
      : { tls: { cert: await read('tls-cert', certFile), key: await read('tls-key', keyFile) } }),
    ...(caFile === undefined ? {} : { clientCa: await read('client-ca', caFile) }),
  };
}

function readRuntime(
  kind: string,
  podAddress: string | undefined,
  searchPath = '/usr/local/bin:/usr/bin:/bin',
): RuntimeOptions {
  if (kind === 'simulated') {
    if (podAddress !== undefined) throw new UsageError('option --pod-address is for --runtime process only');
    return { kind };
  }
  if (podAddress !== undefined && isIP(podAddress) === 0) {
    throw new UsageError(`option --pod-address: found "${podAddress}", allowed: an IP address`);
  }
  return { kind: 'process', podAddress: podAddress ?? '127.0.0.1', searchPath };
}

function readCapacity(text: string): Resources {
  const capacity: Record<string, string> = {};
  for (const part of text.split(',')) {
    const [name = '', quantity = '', ...more] = part.split('=');
    if (name === '' || more.length > 0 || (readQuantity(quantity)?.nanos ?? -1n) < 0n) {
      throw new UsageError(`option --capacity: found "${part}", allowed: RESOURCE=QUANTITY, with ${QUANTITY_SYNTAX}`);
    }
    if (name === 'pods' && !/^\d+$/.test(quantity)) {
      throw new UsageError(`option --capacity: found "${part}", allowed: a whole number of pods`);
    }
    capacity[name] = quantity;
  }
  return capacity;
}
