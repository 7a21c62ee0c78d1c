/**
 * ConfigMaps and Secrets that pods refer to: read when needed, never listed and never watched cluster-wide, which is all
 * that a node is allowed to.
 *
 * Guarantees: pods that start together share one GET per object; what is missing is looked for again by one poll per
 * object, however many pods wait for it, and they are woken within `POLL_MAX_MS` of its appearance; nothing is kept
 * longer than `KEEP_MS` after it was read, so that secret values do not stay in memory.
 */
import { type Clock, sleep } from '../../clock.ts';
import { hasCode } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { CONFIG_MAPS, SECRETS } from '../../kube/resources.ts';
import { type Referenced, referencedConfigMap, referencedSecret } from './referenced.ts';

export interface Reference {
  readonly kind: 'ConfigMap' | 'Secret';
  readonly namespace: string;
  readonly name: string;
}

/** Reads an object; undefined when it is not there, an error when that could not be found out. */
export type ReadReference = (reference: Reference) => Promise<Referenced | undefined>;

interface ReferencesOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  /** Ends every poll and read. */
  readonly signal: AbortSignal;
  /** Called for each pod whose reference may have appeared. */
  readonly wake: (uid: string) => void;
}

/** How long one read serves the pods that ask for it: long enough for a Deployment that starts, short enough to see an edit. */
const KEEP_MS = 2_000;
/** First and longest pause between two looks for a missing object. Together with `KEEP_MS` well below the 5 s after which a user wonders. */
const POLL_MIN_MS = 500;
const POLL_MAX_MS = 3_000;

interface Wait {
  readonly reference: Reference;
  /** What did not suffice; undefined when the object was missing. */
  readonly version: string | undefined;
  readonly uids: Set<string>;
}

export class References {
  readonly #options: ReferencesOptions;
  readonly #reads = new Map<string, Promise<Referenced | undefined>>();
  readonly #waits = new Map<string, Wait>();

  constructor(options: ReferencesOptions) {
    this.#options = options;
  }

  /** Undefined when there is no such object; throws when that could not be found out. */
  read(reference: Reference): Promise<Referenced | undefined> {
    const key = referenceKey(reference);
    let read = this.#reads.get(key);
    if (read === undefined) {
      read = this.#get(reference);
      this.#reads.set(key, read);
      const forget = (): void => {
        if (this.#reads.get(key) === read) this.#reads.delete(key);
      };
      read.then(() => this.#options.clock.setTimer(KEEP_MS, forget), forget);
    }
    return read;
  }

  /** As it is now, whatever was read before. */
  readAgain(reference: Reference): Promise<Referenced | undefined> {
    this.#reads.delete(referenceKey(reference));
    return this.read(reference);
  }

  /** Wakes the pod once the object is there, in another version than the one that did not suffice. */
  wakeOnChange(uid: string, reference: Reference, version: string | undefined): void {
    const key = referenceKey(reference);
    const wait = this.#waits.get(key);
    if (wait !== undefined) {
      wait.uids.add(uid);
      return;
    }
    const begun: Wait = { reference, version, uids: new Set([uid]) };
    this.#waits.set(key, begun);
    void this.#poll(key, begun);
  }

  /** The pod waits for nothing any more: it is gone. */
  forget(uid: string): void {
    for (const { uids } of this.#waits.values()) uids.delete(uid);
  }

  async #poll(key: string, wait: Wait): Promise<void> {
    const { clock, signal, wake } = this.#options;
    for (let pause = POLL_MIN_MS; ; pause = Math.min(pause * 2, POLL_MAX_MS)) {
      await sleep(clock, pause, signal);
      if (signal.aborted) return;
      if (wait.uids.size === 0) {
        this.#waits.delete(key);
        return;
      }
      try {
        const found = await this.readAgain(wait.reference);
        if (found === undefined || found.resourceVersion === wait.version) continue;
      } catch {
        // Not to be read now: the next look may succeed, and the pods that ask for it themselves report the reason.
        continue;
      }
      this.#waits.delete(key);
      for (const uid of wait.uids) wake(uid);
      return;
    }
  }

  async #get({ kind, namespace, name }: Reference): Promise<Referenced | undefined> {
    const { client, signal } = this.#options;
    try {
      return kind === 'ConfigMap'
        ? referencedConfigMap(await client.get(CONFIG_MAPS, { namespace, name }, { signal }))
        : referencedSecret(await client.get(SECRETS, { namespace, name }, { signal }));
    } catch (error) {
      if (hasCode(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}

export function referenceKey({ kind, namespace, name }: Reference): string {
  return `${kind}/${namespace}/${name}`;
}
