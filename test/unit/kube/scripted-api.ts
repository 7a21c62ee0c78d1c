import { ZoneletError } from '../../../src/errors.ts';
import {
  ApiError,
  type KubeClient,
  type ListOptions,
  type WatchEvent,
  type WatchOptions,
} from '../../../src/kube/client.ts';
import { keyOf } from '../../../src/kube/informer.ts';
import type { KubeObject, Pod } from '../../../src/kube/types.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';

interface Change {
  readonly rv: number;
  readonly key: string;
  readonly before: Pod | undefined;
  readonly after: Pod | undefined;
}

interface Open {
  /** Wakes the reader. */
  poke(): void;
  end: 'none' | 'closed' | 'broken';
  hung: boolean;
}

const selected = (pod: Pod | undefined, labelSelector: string | undefined): pod is Pod =>
  pod !== undefined && (labelSelector === undefined || pod.metadata?.labels?.on === 'yes');

export function unavailable(): ZoneletError {
  return new ZoneletError('Unavailable', 'connect ECONNREFUSED');
}

export function expired(): ApiError {
  return new ApiError('Expired', 410, { reason: 'Expired', message: 'too old resource version' });
}

/** What an informer needs of an API server, with everything that can go wrong to be asked for. */
export class ScriptedApi {
  /** `list`, `list?continue`, `list?limit=1` and `watch@RV`, in order. */
  readonly calls: string[] = [];
  /** Thrown by the next calls, one each. */
  readonly listErrors: Error[] = [];
  readonly watchErrors: Error[] = [];
  /** Resolved before a page of a list is given: makes lists slow. */
  beforePage: () => Promise<void> = async () => {};
  bookmarks = true;
  pageSize = 500;
  readonly #clock: VirtualClock;
  #objects = new Map<string, Pod>();
  #changes: Change[] = [];
  #compacted = 0;
  #rv = 100;
  #uid = 0;
  readonly #open = new Set<Open>();
  /** The canonical contents at each resourceVersion, in order. */
  readonly states: { readonly rv: number; readonly text: string }[] = [];

  constructor(clock: VirtualClock) {
    this.#clock = clock;
    this.#remember();
  }

  get rv(): number {
    return this.#rv;
  }

  get watches(): number {
    return this.#open.size;
  }

  pods(labelSelector?: string): Pod[] {
    return [...this.#objects.values()].filter((pod) => selected(pod, labelSelector));
  }

  put(name: string, on = 'yes', data: Partial<Pod> = {}): Pod {
    const key = `ns/${name}`;
    const before = this.#objects.get(key);
    const rv = this.#tick();
    const after: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      ...data,
      metadata: {
        name,
        namespace: 'ns',
        uid: before?.metadata?.uid ?? `uid-${++this.#uid}`,
        resourceVersion: String(rv),
        labels: { on },
      },
    };
    this.#objects.set(key, after);
    this.#changed({ rv, key, before, after });
    return after;
  }

  remove(name: string): void {
    const key = `ns/${name}`;
    const before = this.#objects.get(key);
    if (before === undefined) return;
    const rv = this.#tick();
    this.#objects.delete(key);
    this.#changed({ rv, key, before, after: undefined });
  }

  /** Something else in the cluster changed. */
  touch(by = 1): void {
    for (let i = 0; i < by; i++) this.#tick();
    this.#remember();
  }

  /** Forgets the history: watches and continued lists from before are too old. */
  compact(): void {
    this.#compacted = this.#rv;
  }

  /** Ends every open watch, in good order or not. */
  end(how: 'closed' | 'broken'): void {
    for (const open of this.#open) {
      open.end = how;
      open.poke();
    }
  }

  /** Open watches say nothing any more, although the connection stands. */
  hang(): void {
    for (const open of this.#open) open.hung = true;
  }

  save(): () => void {
    const objects = new Map(this.#objects);
    const changes = [...this.#changes];
    const rv = this.#rv;
    /** The server comes back as it was then. */
    return () => {
      this.#objects = new Map(objects);
      this.#changes = [...changes];
      this.#rv = rv;
      this.#compacted = 0;
      this.states.push({ rv, text: this.text() });
      this.end('broken');
    };
  }

  text(): string {
    return canonical(this.pods('on=yes'));
  }

  readonly client = {
    list: async (_: unknown, options: ListOptions = {}) => {
      const { limit, labelSelector, signal } = options;
      this.calls.push(
        options.continue !== undefined
          ? 'list?continue'
          : limit === 1
            ? 'list?limit=1'
            : limit === undefined
              ? 'list?all'
              : 'list',
      );
      const error = this.listErrors.shift();
      if (error !== undefined) throw error;
      const page = limit === undefined ? Number.POSITIVE_INFINITY : Math.min(limit, this.pageSize);
      let offset = 0;
      let rv = this.#rv;
      if (options.continue !== undefined) {
        [rv = 0, offset = 0] = options.continue.split(':').map(Number);
      }
      // What this page shows is settled before the answer is on its way.
      const all = this.#at(rv).filter((pod) => selected(pod, labelSelector));
      const tooOld = options.continue !== undefined && rv < this.#compacted;
      await this.beforePage();
      if (signal?.aborted) throw new ZoneletError('Aborted', 'aborted');
      if (tooOld) throw expired();
      const more = offset + page < all.length;
      return {
        items: structuredClone(all.slice(offset, offset + page)),
        resourceVersion: String(rv),
        ...(more ? { continue: `${rv}:${offset + page}` } : {}),
      };
    },
    watch: (_: unknown, options: WatchOptions) => this.#watch(options),
  } as unknown as KubeClient;

  async *#watch(options: WatchOptions): AsyncGenerator<WatchEvent<KubeObject>> {
    const { signal, labelSelector } = options;
    this.calls.push(`watch@${options.resourceVersion}`);
    const error = this.watchErrors.shift();
    if (error !== undefined) throw error;
    let from = Number(options.resourceVersion);
    if (from < this.#compacted) throw expired();
    let wake = Promise.withResolvers<void>();
    const open: Open = { end: 'none', hung: false, poke: () => wake.resolve() };
    this.#open.add(open);
    signal?.addEventListener('abort', open.poke);
    let bookmarkAt = this.#clock.monotonic() + 60_000;
    let timer = this.#clock.setTimer(60_000, open.poke);
    const endAt = this.#clock.monotonic() + (options.timeoutSeconds ?? 300) * 1000;
    try {
      for (;;) {
        if (signal?.aborted) throw new ZoneletError('Aborted', 'aborted');
        if (open.end === 'broken') throw unavailable();
        if (open.end === 'closed' || this.#clock.monotonic() >= endAt) return;
        const change = open.hung ? undefined : this.#changes.find((c) => c.rv > from);
        if (change !== undefined) {
          from = change.rv;
          const event = this.#event(change, labelSelector);
          if (event !== undefined) yield event;
          continue;
        }
        if (this.#clock.monotonic() >= bookmarkAt) {
          bookmarkAt = this.#clock.monotonic() + 60_000;
          timer = this.#clock.setTimer(60_000, open.poke);
          // A server that does not know the position yet is silent.
          if (this.bookmarks && !open.hung && this.#rv >= from) {
            from = this.#rv;
            yield { type: 'BOOKMARK', resourceVersion: String(from) };
          }
          continue;
        }
        await wake.promise;
        wake = Promise.withResolvers();
      }
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', open.poke);
      this.#open.delete(open);
    }
  }

  #event({ rv, before, after }: Change, labelSelector: string | undefined): WatchEvent<KubeObject> | undefined {
    const was = selected(before, labelSelector);
    if (selected(after, labelSelector)) return { type: was ? 'MODIFIED' : 'ADDED', object: structuredClone(after) };
    if (!was) return undefined;
    const last = structuredClone(before);
    return { type: 'DELETED', object: { ...last, metadata: { ...last?.metadata, resourceVersion: String(rv) } } };
  }

  /** The contents at an earlier version, by undoing what came after. */
  #at(rv: number): Pod[] {
    const objects = new Map(this.#objects);
    for (const change of this.#changes.toReversed()) {
      if (change.rv <= rv) break;
      if (change.before === undefined) objects.delete(change.key);
      else objects.set(change.key, change.before);
    }
    return [...objects.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  #tick(): number {
    return ++this.#rv;
  }

  #changed(change: Change): void {
    this.#changes.push(change);
    this.#remember();
    for (const open of this.#open) open.poke();
  }

  #remember(): void {
    this.states.push({ rv: this.#rv, text: this.text() });
  }
}

/** Objects as text that is equal exactly for equal contents. */
export function canonical(pods: readonly Pod[]): string {
  return pods
    .map((pod) => `${keyOf(pod)} ${pod.metadata?.uid} ${pod.metadata?.resourceVersion}`)
    .sort()
    .join('\n');
}
