/** Carries out what `decision.ts` decides for a pod, and knows why a container cannot be started yet. */
import type { Clock } from '../../src/clock.ts';
import { codeOf, hasCode, messageOf } from '../../src/errors.ts';
import type { Container, Pod } from '../../src/kube/types.ts';
import type { Logger } from '../../src/log.ts';
import type { ReadOptions, ResolvedPod } from '../../src/provider/contract.ts';
import { withPodIPs } from '../../src/provider/pod-addresses.ts';
import { containerRequest, userOf } from './container-request.ts';
import type { Action } from './decision.ts';
import type { EnginePods } from './engine-pods.ts';
import { imageDetails, pull } from './images.ts';
import { runName } from './names.ts';
import type { Waiting } from './observation.ts';
import { terminationPath } from './pod-files.ts';
import type { PodState, RunState } from './pod-state.ts';

/** Of one request to an engine, in milliseconds. */
export const CALL_MS = 30_000;
/** A kubelet's for pulls and for containers that cannot be made. */
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;
/** From a failed pull until it is told of as backing off. */
const FLIP_MS = 3000;
/** After a stop that the engine did not take. */
const RETRY_MS = 1000;

interface Trouble {
  readonly failures: number;
  readonly failedAtMs: number;
  readonly againAtMs: number;
  readonly image: string;
  readonly waiting: Waiting;
}

export interface Runner {
  /** Answers in how many milliseconds to look at the pod again, if nothing happens before. */
  run(state: PodState, resolved: ResolvedPod, action: Action): Promise<number | undefined>;
  waiting(uid: string): ReadonlyMap<string, Waiting>;
  /** The pod is gone. */
  forget(uid: string): void;
}

export interface RunnerOptions {
  readonly pods: EnginePods;
  /** Address of the engine's machine. */
  readonly hostIP: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly life: AbortSignal;
  /** Something was done that its events may not tell of. */
  changed(uid: string): void;
}

export function createRunner({ pods, hostIP, clock, log, life, changed }: RunnerOptions): Runner {
  const { engine } = pods;
  /** By UID and container. */
  const troubles = new Map<string, Map<string, Trouble>>();
  /** Runs that were asked to end, and until when they may. */
  const asked = new Map<string, number>();
  const options = (): ReadOptions => ({ signal: life, timeoutMs: CALL_MS });

  function inTrouble(uid: string, container: Container, waiting: Waiting): number {
    const own = troubles.get(uid) ?? new Map<string, Trouble>();
    troubles.set(uid, own);
    const failures = (own.get(container.name)?.failures ?? 0) + 1;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
    const failedAtMs = clock.monotonic();
    const againAtMs = failedAtMs + pauseMs;
    own.set(container.name, { failures, failedAtMs, againAtMs, image: container.image ?? '', waiting });
    changed(uid);
    return Math.min(FLIP_MS, pauseMs);
  }

  /** How long it is still to be left alone after what failed before. */
  function pause(uid: string, { name, image = '' }: Container): number {
    const trouble = troubles.get(uid)?.get(name);
    if (trouble === undefined || trouble.image !== image) return 0;
    const leftMs = trouble.againAtMs - clock.monotonic();
    if (leftMs > 0 && trouble.waiting.reason === 'ErrImagePull') {
      const freshMs = trouble.failedAtMs + FLIP_MS - clock.monotonic();
      if (freshMs > 0) return freshMs;
      const waiting = {
        reason: 'ImagePullBackOff',
        message: `Back-off pulling image "${image}": ${trouble.waiting.message ?? ''}`,
      };
      troubles.get(uid)?.set(name, { ...trouble, waiting });
      changed(uid);
    }
    return Math.max(0, leftMs);
  }

  /** Milliseconds until another try; `undefined` once the image is there. */
  async function image(uid: string, container: Container, resolved: ResolvedPod): Promise<number | undefined> {
    const { image: name = '', imagePullPolicy } = container;
    const untagged =
      !name.includes('@') && (!name.slice(name.lastIndexOf('/') + 1).includes(':') || name.endsWith(':latest'));
    const policy = imagePullPolicy ?? (untagged ? 'Always' : 'IfNotPresent');
    let details = await imageDetails(engine, name, options());
    if (policy === 'Never' && details === undefined) {
      const message = `Container image "${name}" is not present with pull policy of Never`;
      return inTrouble(uid, container, { reason: 'ErrImageNeverPull', message });
    }
    if (policy === 'Always' || details === undefined) {
      try {
        await pull(engine, name, resolved.pullSecrets, life);
      } catch (error) {
        if (life.aborted) throw error;
        const message = `failed to pull image "${name}": ${messageOf(error)}`;
        return inTrouble(uid, container, { reason: 'ErrImagePull', message });
      }
      details = await imageDetails(engine, name, options());
    }
    const root = rootProblem(resolved, container, details?.Config?.User ?? '');
    if (root === undefined) return undefined;
    return inTrouble(uid, container, { reason: 'CreateContainerConfigError', message: root });
  }

  async function make(
    state: PodState,
    resolved: ResolvedPod,
    action: Action & { do: 'run' },
  ): Promise<number | undefined> {
    const { container, attempt, backOffMs } = action;
    const { uid } = state.ref;
    const leftMs = pause(uid, container);
    if (leftMs > 0) return leftMs;
    const againMs = await image(uid, container, resolved);
    if (againMs !== undefined) return againMs;
    const prefix = pods.prefix(uid);
    const name = runName(prefix, container.name, attempt);
    const { owner, zone, filesFolder } = state;
    const run = { owner, zone, prefix, sandbox: state.sandbox.id, filesFolder, attempt, backOffMs };
    const onHost = resolved.pod.spec?.hostNetwork === true && hostIP !== undefined;
    const addressed = withPodIPs(resolved, onHost ? [hostIP] : state.sandbox.addresses);
    const body = containerRequest(addressed, containerOf(addressed.pod, container), run);
    try {
      const file = { path: terminationPath(container.name, attempt), content: new Uint8Array(), mode: 0o666 };
      await pods.writeFiles(state.sandbox.id, [file], options());
      await engine.status({ method: 'POST', path: `/containers/create?name=${name}`, body, ...options() });
    } catch (error) {
      // Conflict: another replica has made it.
      if (!hasCode(error, 'Conflict')) {
        if (life.aborted || hasCode(error, 'Unavailable', 'Ambiguous')) throw error;
        return inTrouble(uid, container, { reason: 'CreateContainerError', message: messageOf(error) });
      }
    }
    await start(name);
    troubles.get(uid)?.delete(container.name);
    // The one before is kept for its log and its end.
    for (const old of state.runs.get(container.name)?.slice(1) ?? []) await removeRun(old);
    return undefined;
  }

  /** One that cannot be started says so itself, on the engine. */
  async function start(id: string): Promise<void> {
    try {
      await engine.status({ method: 'POST', path: `/containers/${id}/start`, ...options(), timeoutMs: 120_000 });
    } catch (error) {
      if (hasCode(error, 'Unavailable', 'Ambiguous', 'Aborted')) throw error;
      log.debug({ container: id, reason: messageOf(error) }, 'the engine did not start a container');
    }
  }

  async function removeRun({ id }: RunState): Promise<void> {
    asked.delete(id);
    try {
      await engine.status({ method: 'DELETE', path: `/containers/${id}?force=true&v=true`, ...options() });
    } catch (error) {
      if (!hasCode(error, 'NotFound', 'Conflict')) throw error;
    }
  }

  /** Not waited for: the engine's answer comes with the container's end. */
  function stop({ id }: RunState, uid: string, killAtMs: number): void {
    const before = asked.get(id);
    if (before !== undefined && before <= killAtMs) return;
    asked.set(id, killAtMs);
    const leftMs = Math.max(0, killAtMs - clock.now());
    const path = leftMs === 0 ? `/containers/${id}/kill` : `/containers/${id}/stop?t=${Math.ceil(leftMs / 1000)}`;
    const request = { method: 'POST', path, signal: life, timeoutMs: leftMs + CALL_MS } as const;
    engine.status(request).then(
      () => changed(uid),
      (error: unknown) => {
        if (life.aborted || hasCode(error, 'NotFound', 'Conflict')) return;
        log.warn({ container: id, reason: messageOf(error) }, 'the engine did not stop a container; asking again');
        if (asked.get(id) === killAtMs) asked.delete(id);
        clock.setTimer(RETRY_MS, () => changed(uid));
      },
    );
  }

  return {
    async run(state, resolved, action) {
      switch (action.do) {
        case 'start-sandbox':
          await start(state.sandbox.id);
          return undefined;
        case 'run':
          return await make(state, resolved, action);
        case 'start':
          await start(action.run.id);
          return undefined;
        case 'stop':
          stop(action.run, state.ref.uid, action.killAtMs);
          return undefined;
        case 'look-again':
          return action.inMs;
      }
    },
    waiting(uid) {
      return new Map([...(troubles.get(uid) ?? [])].map(([name, { waiting }]) => [name, waiting]));
    },
    forget(uid) {
      troubles.delete(uid);
    },
  };
}

/** The same one, with the pod's addresses in it. */
function containerOf({ spec }: Pod, container: Container): Container {
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return all.find(({ name }) => name === container.name) ?? container;
}

/** As a kubelet words it. */
function rootProblem({ pod, ref }: ResolvedPod, container: Container, imageUser: string): string | undefined {
  const nonRoot = container.securityContext?.runAsNonRoot ?? pod.spec?.securityContext?.runAsNonRoot;
  if (nonRoot !== true) return undefined;
  const where = `(pod: "${ref.name}_${ref.namespace}(${ref.uid})", container: ${container.name})`;
  const chosen = userOf(pod, container)?.split(':')[0];
  if (chosen !== undefined) {
    return chosen === '0' ? `container's runAsUser breaks non-root policy ${where}` : undefined;
  }
  const [user = ''] = imageUser.split(':');
  if (user === '' || user === '0' || user === 'root') {
    return `container has runAsNonRoot and image will run as root ${where}`;
  }
  return /^\d+$/.test(user)
    ? undefined
    : `container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root ${where}`;
}

export function isPassing(error: unknown): boolean {
  return ['Unavailable', 'Ambiguous', 'Aborted', 'Throttled'].includes(codeOf(error));
}
