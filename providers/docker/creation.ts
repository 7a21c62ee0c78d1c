/** Create-or-adopt: the engine refuses a second sandbox of a name, and tells the one who started it from all others. */
import { type Clock, sleep } from '../../src/clock.ts';
import { hasCode, messageOf, ZoneletError } from '../../src/errors.ts';
import type { BackendPod, CreateOutcome, Operation, ReadOptions, ResolvedPod } from '../../src/provider/contract.ts';
import type { Fleet } from './fleet.ts';
import type { Monitor } from './monitor.ts';
import { sandboxName } from './names.ts';
import type { DockerOptions } from './options.ts';
import { podFiles } from './pod-files.ts';
import { sandboxRequest } from './sandbox-request.ts';

/** The engine's answer to a start of what runs already. */
const NOT_MODIFIED = 304;
const APPEAR_TRIES = 100;
const APPEAR_PAUSE_MS = 50;

export async function createPod(
  resolved: ResolvedPod,
  operation: Operation,
  fleet: Fleet,
  sandboxImages: ReadonlyMap<string, (options: ReadOptions) => Promise<string>>,
  options: DockerOptions,
  clock: Clock,
): Promise<{ outcome: CreateOutcome; pod: BackendPod }> {
  const { ref, pod } = resolved;
  const reading: ReadOptions = { signal: operation.signal, timeoutMs: operation.timeoutMs };
  if (operation.signal.aborted) throw new ZoneletError('Aborted', 'aborted before anything was sent');
  const found = await fleet.findForCreate(ref.uid, reading);
  if (found?.state.sandbox.started === true)
    return { outcome: 'adopted', pod: await observed(found.monitor, ref.uid, reading) };
  const monitor = found?.monitor ?? fleet.choose(pod);
  const image = await waitFor(sandboxImages.get(monitor.pods.engine.name)?.(reading), operation);
  const outcome = await begin(resolved, operation, monitor, image, reading, options, clock);
  return { outcome, pod: await observed(monitor, ref.uid, reading) };
}

/** Every step may have been done by another already, or by a try before that broke off. */
async function begin(
  resolved: ResolvedPod,
  operation: Operation,
  { pods }: Monitor,
  image: string,
  reading: ReadOptions,
  options: DockerOptions,
  clock: Clock,
): Promise<CreateOutcome> {
  const { engine } = pods;
  const prefix = pods.prefix(resolved.ref.uid);
  const name = sandboxName(prefix);
  try {
    await pods.makeVolumes(resolved, reading);
    const body = sandboxRequest(resolved, prefix, image, operation, options);
    await engine
      .status({ method: 'POST', path: `/containers/create?name=${name}`, body, ...reading })
      .catch((error: unknown) => {
        if (!hasCode(error, 'Conflict')) throw error;
      });
    // One that another has started is left as it is. One that another is making has its name before it is there.
    for (let tries = 0; tries < APPEAR_TRIES; tries++) {
      const before = await pods.read(resolved.ref.uid, reading);
      if (before?.sandbox.started === true) return 'adopted';
      if (before !== undefined || reading.signal.aborted) break;
      await sleep(clock, APPEAR_PAUSE_MS, reading.signal);
    }
    await pods.writeFiles(name, podFiles(resolved), reading);
    const status = await engine.status({ method: 'POST', path: `/containers/${name}/start`, ...reading });
    return status === NOT_MODIFIED ? 'adopted' : 'created';
  } catch (error) {
    // The engine's refusals of a sandbox are about the engine (no such network, no such image), not about the pod.
    if (!hasCode(error, 'NotFound', 'Internal', 'Conflict')) throw error;
    throw new ZoneletError('Unavailable', `the sandbox of the pod: ${messageOf(error)}`, { cause: error });
  }
}

async function observed(monitor: Monitor, uid: string, reading: ReadOptions): Promise<BackendPod> {
  monitor.kick(uid);
  try {
    const state = await monitor.pods.read(uid, reading);
    if (state !== undefined) return await monitor.observe(state, reading);
  } catch (error) {
    // It is there; only how it looks is not known.
    throw new ZoneletError('Ambiguous', `the pod was created and could not be looked at: ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new ZoneletError('Ambiguous', 'the pod was created and removed again meanwhile');
}

/** An image may take longer to come than the call may: then it is there for one of the next. */
async function waitFor(image: Promise<string> | undefined, { signal }: Operation): Promise<string> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void =>
    aborted.reject(new ZoneletError('Unavailable', 'the image of the sandbox is still being pulled'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([image ?? Promise.reject(new Error('no such engine')), aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
