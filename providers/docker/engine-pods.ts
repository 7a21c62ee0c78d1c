/** One owner's pods on one engine: what is read and done there, each as a few requests. Keeps nothing but copies of what cannot change. */
import { hasCode, ZoneletError } from '../../src/errors.ts';
import type { PodRef, ReadOptions, ResolvedPod } from '../../src/provider/contract.ts';
import type { ContainerDetails, ContainerSummary, VolumeDetails } from './api.ts';
import type { Engine, EngineRequest } from './engine.ts';
import { createFrames } from './frames.ts';
import { filesVolume, LABEL, labelled, podPrefix, sandboxName } from './names.ts';
import { decodePod, FILES, memoryFolders, POD_FILE, terminationPath } from './pod-files.ts';
import { type PodState, podStates, type RunState } from './pod-state.ts';
import { fileIn, type TarEntry, tar } from './tar.ts';

export interface EnginePods {
  readonly engine: Engine;
  prefix(uid: string): string;
  /** Everything of this owner, with pods that are not begun yet. */
  list(options: ReadOptions): Promise<Map<string, PodState>>;
  read(uid: string, options: ReadOptions): Promise<PodState | undefined>;
  /** The pod as it was last applied; `undefined` for one whose files are gone. */
  applied(state: PodState, options: ReadOptions): Promise<ResolvedPod | undefined>;
  makeVolumes(resolved: ResolvedPod, options: ReadOptions): Promise<void>;
  /** A record that cannot be changed once it is there. */
  makeVolume(name: string, ref: PodRef, labels: Readonly<Record<string, string>>, options: ReadOptions): Promise<void>;
  writeFiles(sandbox: string, files: readonly TarEntry[], options: ReadOptions): Promise<void>;
  /** With everything that belongs to it; what is gone already is no error. */
  remove(uid: string, options: ReadOptions): Promise<void>;
  /** Everything with this owner's labels that belongs to no pod and is older than this. */
  collectGarbage(olderThanMs: number, nowMs: number, options: ReadOptions): Promise<number>;
}

/** A kubelet's limits of a termination message. */
const MESSAGE_BYTES = 4096;
const LOG_BYTES = 2048;
const LOG_LINES = 80;
/** Messages and pods that are kept in memory, so that a look at a pod costs no more than its containers. */
const REMEMBERED = 5000;
/** Details that are asked for at the same time. */
const AT_ONCE = 16;

export function createEnginePods(engine: Engine, owner: string, zone: string): EnginePods {
  const messages = new Map<string, string>();
  const pods = new Map<string, ResolvedPod>();
  const own = { [LABEL.owner]: owner, [LABEL.zone]: zone };
  const prefix = (uid: string): string => podPrefix(owner, zone, uid);

  const get = (path: string, options: ReadOptions) => ({ method: 'GET', path, ...options }) as const;

  async function containers(labels: Record<string, string>, options: ReadOptions): Promise<ContainerDetails[]> {
    const path = `/containers/json?all=true&filters=${labelled({ ...own, ...labels })}`;
    const summaries = await engine.json<ContainerSummary[]>(get(path, options));
    const found: ContainerDetails[] = [];
    for (let at = 0; at < summaries.length; at += AT_ONCE) {
      const some = summaries.slice(at, at + AT_ONCE).map(({ Id }) => inspect(Id, options));
      for (const details of await Promise.all(some)) if (details !== undefined) found.push(details);
    }
    return found;
  }

  async function inspect(id: string, options: ReadOptions): Promise<ContainerDetails | undefined> {
    return await orGone(engine.json<ContainerDetails>(get(`/containers/${id}/json`, options)));
  }

  async function volumes(labels: Record<string, string>, options: ReadOptions): Promise<VolumeDetails[]> {
    const path = `/volumes?filters=${labelled({ ...own, ...labels })}`;
    const { Volumes } = await engine.json<{ Volumes: VolumeDetails[] | null }>(get(path, options));
    return Volumes ?? [];
  }

  async function states(labels: Record<string, string>, options: ReadOptions): Promise<Map<string, PodState>> {
    // Volumes after containers: a stop that is missed here comes with the event of its volume.
    const found = podStates(await containers(labels, options), await volumes(labels, options));
    for (const [uid, state] of found) found.set(uid, await withMessages(state, options));
    return found;
  }

  async function withMessages(state: PodState, options: ReadOptions): Promise<PodState> {
    const runs = new Map<string, readonly RunState[]>();
    for (const [name, all] of state.runs) {
      const told: RunState[] = [];
      for (const run of all) {
        told.push(run.phase === 'ended' ? { ...run, message: await message(state, run, options) } : run);
      }
      runs.set(name, told);
    }
    return { ...state, runs };
  }

  async function message(state: PodState, run: RunState, options: ReadOptions): Promise<string> {
    const known = messages.get(run.id);
    if (known !== undefined) return known;
    const path = `${FILES}/${terminationPath(run.container, run.attempt)}`;
    const file = await readFile(state.sandbox.id, path, MESSAGE_BYTES, options);
    let text = file?.toString() ?? '';
    if (text === '' && run.messageFrom === 'FallbackToLogsOnError' && run.exitCode !== 0) {
      text = await lastLines(run, options);
    }
    remember(messages, run.id, text);
    return text;
  }

  async function lastLines({ id, tty }: RunState, options: ReadOptions): Promise<string> {
    const path = `/containers/${id}/logs?stdout=true&stderr=true&tail=${LOG_LINES}`;
    const raw = await orGone(engine.bytes(get(path, options)));
    if (raw === undefined) return '';
    const frames = createFrames(tty);
    const all = Buffer.concat(frames.push(raw).map(({ bytes }) => bytes));
    return all.subarray(Math.max(0, all.length - LOG_BYTES)).toString();
  }

  async function readFile(id: string, path: string, limit: number, options: ReadOptions): Promise<Buffer | undefined> {
    const archive = engine.bytes(get(`/containers/${id}/archive?path=${encodeURIComponent(path)}`, options));
    const found = await orGone(archive);
    return found === undefined ? undefined : fileIn(found, limit);
  }

  async function makeVolume(
    name: string,
    ref: PodRef,
    labels: Readonly<Record<string, string>>,
    options: ReadOptions,
    driver: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const about = { [LABEL.namespace]: ref.namespace, [LABEL.pod]: ref.name, [LABEL.uid]: ref.uid };
    const body = { Name: name, Driver: 'local', DriverOpts: driver, Labels: { ...own, ...about, ...labels } };
    await engine.status({ method: 'POST', path: '/volumes/create', body, ...options });
  }

  async function removeContainer(id: string, options: ReadOptions): Promise<void> {
    const request: EngineRequest = { method: 'DELETE', path: `/containers/${id}?force=true&v=true`, ...options };
    await engine.status(request).catch((error: unknown) => {
      // Conflict: another is removing it.
      if (!hasCode(error, 'NotFound', 'Conflict')) throw error;
    });
  }

  async function removeVolume(name: string, options: ReadOptions): Promise<void> {
    const request: EngineRequest = { method: 'DELETE', path: `/volumes/${name}`, ...options };
    await engine.status(request).catch((error: unknown) => {
      // In use: by a container that is being removed; what is left is garbage, which is collected.
      if (!hasCode(error, 'NotFound', 'Conflict')) throw error;
    });
  }

  return {
    engine,
    prefix,
    list: (options) => states({}, options),

    async read(uid, options) {
      return (await states({ [LABEL.uid]: uid }, options)).get(uid);
    },

    async applied(state, options) {
      const key = `${state.sandbox.id} ${state.revision}`;
      const known = pods.get(key);
      if (known !== undefined) return known;
      const bytes = await readFile(state.sandbox.id, `${FILES}/${POD_FILE}`, Number.POSITIVE_INFINITY, options);
      if (bytes === undefined) return undefined;
      const resolved = decodePod(bytes);
      remember(pods, key, resolved);
      return resolved;
    },

    async makeVolumes({ pod, ref }, options) {
      const name = prefix(ref.uid);
      await makeVolume(filesVolume(name), ref, { [LABEL.role]: 'files' }, options);
      for (const folder of memoryFolders(pod, name)) {
        await makeVolume(folder.engineVolume, ref, { [LABEL.role]: 'memory' }, options, folder.options);
      }
    },
    makeVolume: (name, ref, labels, options) => makeVolume(name, ref, labels, options),

    async writeFiles(sandbox, files, options) {
      const path = `/containers/${sandbox}/archive?path=${encodeURIComponent(FILES)}`;
      await engine.status({ method: 'PUT', path, body: tar(files), ...options });
    },

    async remove(uid, options) {
      // Once the sandbox is gone nothing of the pod can be started any more: what is found after that is all there is.
      await removeContainer(sandboxName(prefix(uid)), options);
      const path = `/containers/json?all=true&filters=${labelled({ ...own, [LABEL.uid]: uid })}`;
      const left = await engine.json<ContainerSummary[]>(get(path, options));
      await Promise.all(left.map(({ Id }) => removeContainer(Id, options)));
      const names = await volumes({ [LABEL.uid]: uid }, options);
      await Promise.all(names.map(({ Name }) => removeVolume(Name, options)));
    },

    async collectGarbage(olderThanMs, nowMs, options) {
      const path = `/containers/json?all=true&filters=${labelled(own)}`;
      // Volumes first: one that is made after this look cannot be taken for one without a pod.
      const before = await volumes({}, options);
      const all = await engine.json<ContainerSummary[]>(get(path, options));
      const isOld = (atMs: number): boolean => nowMs - atMs > olderThanMs;
      const sandboxes = all.filter(({ Labels }) => Labels[LABEL.role] === 'sandbox');
      const live = new Set(sandboxes.map(({ Labels }) => Labels[LABEL.uid]));
      // Never started: its creation broke off.
      const unborn = sandboxes.filter(({ State, Created }) => State === 'created' && isOld(Created * 1000));
      const orphans = all.filter(({ Labels, Created }) => !live.has(Labels[LABEL.uid]) && isOld(Created * 1000));
      const used = new Set(all.map(({ Labels }) => Labels[LABEL.uid]));
      const volumesLeft = before.filter(
        ({ Labels, CreatedAt }) => !used.has(Labels?.[LABEL.uid]) && isOld(Date.parse(CreatedAt ?? '')),
      );
      for (const { Id } of [...unborn, ...orphans]) await removeContainer(Id, options);
      for (const { Name } of volumesLeft) await removeVolume(Name, options);
      return unborn.length + orphans.length + volumesLeft.length;
    },
  };
}

/** `undefined` for what the engine says is not there. */
async function orGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof ZoneletError && error.code === 'NotFound') return undefined;
    throw error;
  }
}

function remember<T>(known: Map<string, T>, key: string, value: T): void {
  known.set(key, value);
  if (known.size <= REMEMBERED) return;
  const [oldest] = known.keys();
  if (oldest !== undefined) known.delete(oldest);
}
