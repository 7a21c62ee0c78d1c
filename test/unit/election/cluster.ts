import { ZoneletError } from '../../../src/errors.ts';
import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectName,
  WriteOptions,
} from '../../../src/kube/client.ts';
import type { Informer } from '../../../src/kube/informer.ts';
import { createObjectStore, type ObjectStore } from '../../../src/kube/object-store.ts';
import { NODES, type Resource } from '../../../src/kube/resources.ts';
import type { KubeObject, Lease, Node } from '../../../src/kube/types.ts';
import { silentLogger } from '../../../src/log.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';
import type { ReplicaClock } from './replica-clock.ts';

/** How one replica reaches the API server. Change it at any time. */
export interface Link {
  /** Way of a request and of its answer. */
  requestMs: number;
  replyMs: number;
  watchMs: number;
  /** `refused`: an error at once. `lost`: requests vanish. `deaf`: they are carried out, the answers vanish. */
  fault: 'none' | 'refused' | 'lost' | 'deaf';
  /** Nothing comes by the watch; what was missed comes as a new list when it is heard again. */
  watchSilent: boolean;
}

export function goodLink(): Link {
  return { requestMs: 2, replyMs: 2, watchMs: 5, fault: 'none', watchSilent: false };
}

type Change = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Leases and Nodes with resourceVersions and preconditions, in memory, on virtual time. */
export class Cluster {
  readonly #clock: VirtualClock;
  readonly #objects = new Map<string, KubeObject>();
  readonly #watchers = new Set<(type: Change, key: string, object: KubeObject) => void>();
  #version = 100;
  /** Every write that was accepted. */
  readonly writes: { readonly at: number; readonly verb: string; readonly key: string; readonly object: KubeObject }[] =
    [];
  reads = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  #commit(verb: string, key: string, object: KubeObject, type: Change): KubeObject {
    const written = structuredClone(object);
    written.metadata = { ...written.metadata, resourceVersion: String(++this.#version) };
    if (type === 'DELETED') this.#objects.delete(key);
    else this.#objects.set(key, written);
    this.writes.push({ at: this.#clock.monotonic(), verb, key, object: written });
    for (const tell of this.#watchers) tell(type, key, written);
    return written;
  }

  get<T extends KubeObject>(of: Resource<T>, name: string): T | undefined {
    return this.#objects.get(`${of.plural}/${name}`) as T | undefined;
  }

  /** By hand: no precondition. */
  edit<T extends KubeObject>(of: Resource<T>, name: string, change: (object: T) => void): void {
    const key = `${of.plural}/${name}`;
    const object = this.#objects.get(key) as T | undefined;
    if (object === undefined) return;
    const next = structuredClone(object);
    change(next);
    this.#commit('edit', key, next, 'MODIFIED');
  }

  remove(of: Resource<KubeObject>, name: string): void {
    const object = this.#objects.get(`${of.plural}/${name}`);
    if (object !== undefined) this.#commit('remove', `${of.plural}/${name}`, object, 'DELETED');
  }

  createByHand(of: Resource<KubeObject>, object: KubeObject): void {
    this.#create(of, object);
  }

  /** As it is, whatever is there. */
  put<T extends KubeObject>(of: Resource<T>, object: T): void {
    this.#commit('put', `${of.plural}/${object.metadata?.name}`, object, 'MODIFIED');
  }

  #create(of: Resource<KubeObject>, object: KubeObject): KubeObject {
    const key = `${of.plural}/${object.metadata?.name}`;
    if (this.#objects.has(key)) throw new ZoneletError('Conflict', `${key} exists`);
    const uid = `uid-${++this.#version}`;
    return this.#commit('create', key, { ...object, metadata: { ...object.metadata, uid } }, 'ADDED');
  }

  #replace(of: Resource<KubeObject>, object: KubeObject): KubeObject {
    const key = `${of.plural}/${object.metadata?.name}`;
    const present = this.#objects.get(key);
    if (present === undefined) throw new ZoneletError('NotFound', `${key} is not there`);
    const { uid, resourceVersion } = object.metadata ?? {};
    if (uid !== present.metadata?.uid || resourceVersion !== present.metadata?.resourceVersion) {
      throw new ZoneletError('Conflict', `${key} was changed`);
    }
    return this.#commit('replace', key, object, 'MODIFIED');
  }

  #delete(of: Resource<KubeObject>, at: ObjectName, options: DeleteOptions): void {
    const key = `${of.plural}/${at.name}`;
    const present = this.#objects.get(key);
    if (present === undefined) throw new ZoneletError('NotFound', `${key} is not there`);
    const { resourceVersion = present.metadata?.resourceVersion, uid = present.metadata?.uid } = options;
    if (resourceVersion !== present.metadata?.resourceVersion || uid !== present.metadata?.uid) {
      throw new ZoneletError('Conflict', `${key} was changed`);
    }
    this.#commit('delete', key, present, 'DELETED');
  }

  /** The API as one replica sees it. */
  client(link: Link, clock: ReplicaClock): KubeClient {
    const call = <T>(mutating: boolean, { timeoutMs = 10_000, signal }: CallOptions, run: () => T): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        const fail = (code: 'Aborted' | 'Ambiguous' | 'Unavailable', text: string): void => {
          timer.cancel();
          reject(new ZoneletError(code, text));
        };
        const timer = clock.setTimer(timeoutMs, () =>
          fail(mutating ? 'Ambiguous' : 'Unavailable', 'no answer in time'),
        );
        if (signal?.aborted) return fail('Aborted', 'ended by the caller');
        signal?.addEventListener('abort', () => fail('Aborted', 'ended by the caller'), { once: true });
        const { fault } = link;
        if (fault === 'refused') {
          this.#clock.setTimer(1, () => clock.deliver(() => fail('Unavailable', 'connection refused')));
          return;
        }
        if (fault === 'lost') return;
        this.#clock.setTimer(link.requestMs, () => {
          let answer: () => void;
          try {
            const result = structuredClone(run());
            answer = () => resolve(result);
          } catch (error) {
            answer = () => reject(error instanceof Error ? error : new Error(String(error)));
          }
          if (fault === 'deaf') return;
          this.#clock.setTimer(link.replyMs, () =>
            clock.deliver(() => {
              timer.cancel();
              answer();
            }),
          );
        });
      });
    return {
      get: <T extends KubeObject>(of: Resource<T>, at: ObjectName, options: CallOptions = {}) =>
        call(false, options, () => {
          this.reads++;
          const object = this.get(of, at.name);
          if (object === undefined) throw new ZoneletError('NotFound', `${of.plural}/${at.name} is not there`);
          return object;
        }),
      create: <T extends KubeObject>(of: Resource<T>, object: T, options: WriteOptions = {}) =>
        call(true, options, () => this.#create(of, structuredClone(object)) as T),
      replace: <T extends KubeObject>(of: Resource<T>, object: T, options: WriteOptions = {}) =>
        call(true, options, () => this.#replace(of, structuredClone(object)) as T),
      delete: (of: Resource<KubeObject>, at: ObjectName, options: DeleteOptions = {}) =>
        call(true, options, () => this.#delete(of, at, options)),
      list: (_of: Resource<KubeObject>, _options?: ListOptions) =>
        Promise.reject(new Error('not used by the election')),
      patch: () => Promise.reject(new Error('not used by the election')),
      watch: () => {
        throw new Error('not used by the election');
      },
    };
  }

  /** A cache of what has the label, which hears of changes as the link lets them through. */
  informer<T extends KubeObject>(
    of: Resource<T>,
    label: { readonly key: string; readonly value: string },
    link: Link,
    clock: ReplicaClock,
  ): Informer<T> {
    const store: ObjectStore<T> = createObjectStore<T>(silentLogger);
    const selected = (object: KubeObject): boolean => object.metadata?.labels?.[label.key] === label.value;
    const present = (): T[] =>
      [...this.#objects]
        .filter(([key, object]) => key.startsWith(`${of.plural}/`) && selected(object))
        .map(([, object]) => object as T);
    store.snapshot(present(), String(this.#version));
    let missed = false;
    let busyUntil = 0;
    const relist = (): void => {
      missed = false;
      store.snapshot(present(), String(this.#version));
    };
    this.#watchers.add((type, key, object) => {
      if (!key.startsWith(`${of.plural}/`)) return;
      if (link.watchSilent || link.fault !== 'none') {
        if (!missed) wait();
        missed = true;
        return;
      }
      busyUntil = Math.max(busyUntil, this.#clock.monotonic() + link.watchMs);
      this.#clock.setTimer(busyUntil - this.#clock.monotonic(), () =>
        clock.deliver(() => !missed && store.apply(selected(object) ? type : 'DELETED', object as T)),
      );
    });
    const wait = (): void => {
      this.#clock.setTimer(1_000, () =>
        clock.deliver(() => (link.watchSilent || link.fault !== 'none' ? wait() : relist())),
      );
    };
    return {
      run: () => Promise.resolve(),
      synced: () => Promise.resolve(),
      hasSynced: true,
      get: (key) => store.objects.get(key),
      list: () => store.list(),
      get size() {
        return store.objects.size;
      },
      refresh: () => Promise.resolve(),
      subscribe: (handler) => store.subscribe(handler),
    };
  }

  lease(name: string): Lease | undefined {
    return this.get<Lease>({ group: '', version: '', plural: 'leases', kind: 'Lease', namespaced: true }, name);
  }

  node(name: string): Node | undefined {
    return this.get(NODES, name);
  }
}
