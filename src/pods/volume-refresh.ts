/**
 * Volumes of running pods, kept as what they come from: a ConfigMap or Secret that was edited, a token that is to be
 * renewed, labels and annotations that changed. Only for providers that can replace a volume's content.
 *
 * Guarantees: each object that pods are following is read once a minute, however many pods follow it, and less often
 * where there are thousands; tokens are renewed as `resolve/tokens.ts` says; pods that were taken over are given
 * everything anew, a few a second, because what changed while nobody led is not known. What is missing leaves a volume
 * as it is. Of contents nothing is kept but a hash.
 */
import { createHash } from 'node:crypto';
import { sleep } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { Pod } from '../kube/types.ts';
import type { VolumeContent } from '../provider/contract.ts';
import type { TermProvider } from '../provider/term-provider.ts';
import { eventSubject, type PodContext } from './context.ts';
import { allContainers } from './resolve/environment.ts';
import { Missing } from './resolve/missing.ts';
import { type Reference, referenceKey } from './resolve/references.ts';
import { contentVolumes, FAILED_MOUNT, resolveVolumes } from './resolve/resolution.ts';
import type { ResolvedVolume, Volume } from './resolve/volumes.ts';
import { ApiUnreachable } from './status-writer.ts';
import type { TrackedPod } from './tracked-pod.ts';

/** About a kubelet's own pace: it looks at a running pod once a minute. */
const PERIOD_MS = 60_000;
/** Between two reads: at most 20 a second. */
const GAP_MS = 50;
/** Between two looks at what is due. */
const TICK_MS = 5_000;
/** Pods told of at one look: with the above 50 a second. */
const AT_ONCE = 250;
/** Pods taken over that are refreshed at one look: with 80 % of a token's life over there are minutes left for all. */
const TAKEN_OVER_AT_ONCE = 100;
/** After a refresh that failed. */
const RETRY_MS = 10_000;
/** No version is called so. */
const UNSURE = '?';

interface Followed {
  readonly reference: Reference;
  /** As it was last seen; undefined when it was not there, `UNSURE` when pods have seen different ones. */
  version: string | undefined;
  readonly uids: Set<string>;
}

interface VolumeState {
  readonly digest: string;
  readonly keys: readonly string[];
  readonly live: boolean;
  readonly renewAt: number;
}

interface PodState {
  readonly volumes: Map<string, VolumeState>;
  /** Names of the volumes to be looked at again. */
  readonly due: Set<string>;
  /** Taken over, and its turn has not come. */
  held: boolean;
  /** Problem that people were told of. */
  told: string | undefined;
}

export class VolumeRefresh {
  readonly #pods = new Map<string, PodState>();
  readonly #followed = new Map<string, Followed>();
  /** Taken over and not refreshed yet. */
  #takenOver: { readonly tracked: TrackedPod; readonly state: PodState; readonly urgency: number }[] = [];

  /** The backend has the pod with these volumes, from this leader. */
  created(context: PodContext, tracked: TrackedPod, pod: Pod, volumes: ReadonlyMap<string, ResolvedVolume>): void {
    if (context.mutations.refreshVolumes === undefined) return;
    const state: PodState = { volumes: new Map(), due: new Set(), held: false, told: undefined };
    for (const { name } of refreshable(context, pod)) {
      const volume = volumes.get(name);
      if (volume !== undefined) this.#keep(tracked.ref.uid, state, name, volume);
    }
    if (state.volumes.size > 0) this.#pods.set(tracked.ref.uid, state);
  }

  /** Looks after a running pod; called whenever it is brought in line. Never throws. */
  async tend(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<void> {
    const send = context.mutations.refreshVolumes;
    if (send === undefined) return;
    const state = this.#pods.get(tracked.ref.uid);
    if (state === undefined) this.#takeOver(context, tracked, pod);
    else if (state.due.size > 0 && !state.held) await this.#refresh(context, tracked, pod, state, send);
  }

  /** Labels or annotations of the pod changed; true when a volume is to be looked at for it. */
  metadataChanged(uid: string): boolean {
    const state = this.#pods.get(uid);
    if (state === undefined) return false;
    for (const [name, { live }] of state.volumes) if (live) state.due.add(name);
    return state.due.size > 0;
  }

  /** The pod has ended or is gone. */
  forget(uid: string): void {
    for (const { keys } of this.#pods.get(uid)?.volumes.values() ?? []) {
      for (const key of keys) this.#followed.get(key)?.uids.delete(uid);
    }
    this.#pods.delete(uid);
  }

  /** Looks for what is due until the signal aborts. */
  async run(context: PodContext): Promise<void> {
    if (context.mutations.refreshVolumes === undefined) return;
    await Promise.all([this.#watchTime(context), this.#watchObjects(context)]);
  }

  #takeOver(context: PodContext, tracked: TrackedPod, pod: Pod): void {
    const volumes = refreshable(context, pod);
    if (volumes.length === 0) return;
    const due = new Set(volumes.map(({ name }) => name));
    const state: PodState = { volumes: new Map(), due, held: true, told: undefined };
    this.#pods.set(tracked.ref.uid, state);
    this.#takenOver.push({ tracked, state, urgency: shortestToken(volumes) });
  }

  async #watchTime(context: PodContext): Promise<void> {
    const { clock, signal } = context;
    for (;;) {
      await sleep(clock, TICK_MS, signal);
      if (signal.aborted) return;
      this.#takenOver.sort((a, b) => a.urgency - b.urgency);
      const turn = Math.max(TAKEN_OVER_AT_ONCE, Math.ceil(this.#takenOver.length / 50));
      for (const { tracked, state } of this.#takenOver.splice(0, turn)) {
        state.held = false;
        context.enqueue(tracked);
      }
      const now = clock.monotonic();
      let told = 0;
      for (const [uid, state] of this.#pods) {
        const before = state.due.size;
        for (const [name, { renewAt }] of state.volumes) if (renewAt <= now) state.due.add(name);
        if (state.due.size === before) continue;
        this.#wake(context, uid);
        if (++told >= AT_ONCE) break;
      }
    }
  }

  async #watchObjects(context: PodContext): Promise<void> {
    const { clock, signal, references } = context;
    while (!signal.aborted) {
      const round = [...this.#followed];
      for (const [key, followed] of round) {
        await sleep(clock, Math.max(GAP_MS, PERIOD_MS / round.length), signal);
        if (signal.aborted) return;
        if (followed.uids.size === 0) {
          this.#followed.delete(key);
          continue;
        }
        try {
          const found = await references.readAgain(followed.reference);
          if (found?.resourceVersion === followed.version) continue;
          followed.version = found?.resourceVersion;
        } catch {
          // Not to be read now: the next round may succeed, and nothing is known to have changed.
          continue;
        }
        for (const uid of followed.uids) this.#changed(context, uid, key);
      }
      if (round.length === 0) await sleep(clock, TICK_MS, signal);
    }
  }

  #changed(context: PodContext, uid: string, key: string): void {
    const state = this.#pods.get(uid);
    if (state === undefined) return;
    for (const [name, { keys }] of state.volumes) if (keys.includes(key)) state.due.add(name);
    this.#wake(context, uid);
  }

  #wake(context: PodContext, uid: string): void {
    const tracked = context.pods.get(uid);
    if (tracked !== undefined) context.enqueue(tracked);
  }

  async #refresh(
    context: PodContext,
    tracked: TrackedPod,
    pod: Pod,
    state: PodState,
    send: NonNullable<TermProvider['refreshVolumes']>,
  ): Promise<void> {
    const { uid } = tracked.ref;
    const due = contentVolumes(context, pod).filter(({ name }) => state.due.has(name));
    try {
      const resolved = await resolveVolumes(context, pod, due);
      const changed: Record<string, VolumeContent> = {};
      for (const [name, { content }] of resolved) {
        if (state.volumes.get(name)?.digest !== digestOf(content)) changed[name] = content;
      }
      if (Object.keys(changed).length > 0) await send(tracked.ref, changed, { signal: context.signal });
      for (const [name, volume] of resolved) this.#keep(uid, state, name, volume);
      state.due.clear();
      state.told = undefined;
      context.tokens.release(uid);
    } catch (error) {
      this.#failed(context, tracked, pod, state, error);
    }
  }

  #failed(context: PodContext, tracked: TrackedPod, pod: Pod, state: PodState, error: unknown): void {
    if (context.signal.aborted) return;
    const { uid, namespace, name } = tracked.ref;
    const message = messageOf(error);
    const missing = error instanceof Missing;
    if (state.told !== message && !(error instanceof ApiUnreachable)) {
      state.told = message;
      if (missing) context.events.record(eventSubject(pod), 'Warning', FAILED_MOUNT, message);
      context.log.warn({ pod: `${namespace}/${name}`, uid, error: message }, 'volumes were left as they are');
    }
    // Its end is noticed elsewhere; and what the backend cannot do it cannot do later.
    if (hasCode(error, 'NotFound', 'Unsupported', 'InvalidInput')) state.due.clear();
    // Whatever is missing is followed already, or asked for again like everything else that failed.
    else context.queue.addAfter(uid, missing ? PERIOD_MS : RETRY_MS);
  }

  #keep(uid: string, state: PodState, name: string, volume: ResolvedVolume): void {
    state.volumes.set(name, {
      digest: digestOf(volume.content),
      keys: volume.references.map(({ reference, version }) => this.#follow(uid, reference, version)),
      live: volume.live,
      renewAt: volume.renewAt ?? Number.POSITIVE_INFINITY,
    });
  }

  /** One text for all who follow the object. */
  #follow(uid: string, reference: Reference, version: string | undefined): string {
    const key = referenceKey(reference);
    const followed = this.#followed.get(key) ?? { reference, version, uids: new Set() };
    if (followed.version !== version) followed.version = UNSURE;
    followed.uids.add(uid);
    this.#followed.set(key, followed);
    return key;
  }
}

/** Volumes whose change a container would see: one that is mounted by `subPath` alone never changes (as with a kubelet). */
function refreshable(context: PodContext, pod: Pod): readonly Volume[] {
  const seen = new Set<string>();
  for (const { volumeMounts } of allContainers(pod)) {
    for (const { name, subPath, subPathExpr } of volumeMounts ?? []) {
      if ((subPath ?? '') === '' && (subPathExpr ?? '') === '') seen.add(name);
    }
  }
  return contentVolumes(context, pod).filter(({ name }) => seen.has(name));
}

function digestOf({ files }: VolumeContent): string {
  const hash = createHash('sha256');
  for (const { path, content, mode } of files) {
    hash.update(`${path}\0${mode}\0${content.byteLength}\0`).update(content);
  }
  return hash.digest('base64url').slice(0, 22);
}

/** Seconds of the token that ends first; Infinity without one. */
function shortestToken(volumes: readonly Volume[]): number {
  const lives = volumes.flatMap(({ projected }) =>
    (projected?.sources ?? []).flatMap(({ serviceAccountToken }) =>
      serviceAccountToken === undefined ? [] : [serviceAccountToken.expirationSeconds ?? Number.POSITIVE_INFINITY],
    ),
  );
  return Math.min(Number.POSITIVE_INFINITY, ...lives);
}
