/** Exec, attach and port-forward of a simulated backend: they end with their container, as those of a real one do. */
import { type Duplex, PassThrough } from 'node:stream';
import { ZoneletError } from '../../src/errors.ts';
import type { ExecOptions, ExecResult, PodRef, StandardStreams } from '../../src/provider/contract.ts';
import type { SimulatedBackend } from './backend.ts';
import { type CommandPlace, runCommand, write } from './commands.ts';
import { type ContainerLog, readLog } from './container-logs.ts';

/** Of a process that was killed. */
const KILLED = 128 + 9;

export async function exec(
  log: ContainerLog,
  options: ExecOptions,
  streams: StandardStreams,
  place: CommandPlace,
  signal: AbortSignal,
): Promise<ExecResult> {
  const life = new AbortController();
  const stop = (): void => life.abort();
  signal.addEventListener('abort', stop, { once: true });
  let watch = (): void => {};
  const killed = new Promise<ExecResult>((resolve) => {
    watch = () => {
      if (log.ended) resolve({ exitCode: KILLED });
    };
    log.followers.add(watch);
  });
  const aborted = new Promise<never>((_, reject) => {
    life.signal.addEventListener('abort', () => reject(new ZoneletError('Aborted', 'the client is gone')), {
      once: true,
    });
    if (signal.aborted) stop();
  });
  const running = runCommand(options, streams, place, life.signal);
  running.catch(() => {});
  aborted.catch(() => {});
  try {
    return await Promise.race([running, killed, aborted]);
  } finally {
    log.followers.delete(watch);
    signal.removeEventListener('abort', stop);
    stop();
  }
}

/** What the container writes from now on, until it ends. It reads nothing. */
export async function attach(log: ContainerLog, { stdout }: StandardStreams, signal: AbortSignal): Promise<void> {
  const options = { follow: true, previous: false, timestamps: false, tailLines: 0 };
  for await (const chunk of readLog(log, options, signal)) await write(stdout, chunk);
  if (signal.aborted) throw new ZoneletError('Aborted', 'the client is gone');
}

/** Every port of a running pod has an echo. It ends with the pod. */
export function echoPort(backend: SimulatedBackend, owner: string, ref: PodRef, signal: AbortSignal): Duplex {
  if (!backend.isRunning(owner, ref.uid)) throw new ZoneletError('Conflict', `pod ${ref.uid} is not running`);
  const connection = new PassThrough();
  const unsubscribe = backend.subscribe({
    owner,
    changed(change) {
      const { uid } = change.type === 'pod' ? change.pod.ref : change.last.ref;
      if (uid !== ref.uid || (change.type === 'pod' && backend.isRunning(owner, uid))) return;
      connection.destroy(new ZoneletError('Unavailable', `pod ${uid} has ended`));
    },
    resync() {},
  });
  const stop = (): void => void connection.destroy();
  signal.addEventListener('abort', stop, { once: true });
  connection.once('close', () => {
    unsubscribe();
    signal.removeEventListener('abort', stop);
  });
  return connection;
}
