/**
 * All that happened, in the order in which it happened: what the API server wrote, what backends did, what replicas sent.
 * Checkers listen; a hash of it all says whether two runs were the same.
 */
import { createHash } from 'node:crypto';
import type { KubeObject } from '../../../src/kube/types.ts';

/** Who did it: `replica-0` (with the number of its start), `workload`, `controllers`, `api`. */
export type Actor = string;

export interface ApiWrite {
  readonly at: number;
  readonly actor: Actor;
  readonly collection: string;
  readonly key: string;
  readonly revision: number;
  /** Undefined for a deletion. */
  readonly object: KubeObject | undefined;
  readonly before: KubeObject | undefined;
  readonly json: string | undefined;
}

export interface BackendOperation {
  readonly at: number;
  readonly zone: string;
  readonly actor: Actor;
  readonly operation: 'claim' | 'create' | 'update' | 'delete';
  readonly uid: string;
  readonly epoch: number;
  readonly holder: string;
  /** `refused`: by the fence; `failed`: for another reason. */
  readonly outcome: 'accepted' | 'created' | 'adopted' | 'stopping' | 'gone' | 'absent' | 'refused' | 'failed';
}

/** A request that a replica is about to send to the API server. */
export interface Sending {
  readonly at: number;
  readonly actor: Actor;
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
}

export interface Listener {
  write?(write: ApiWrite): void;
  backend?(operation: BackendOperation): void;
  sending?(sending: Sending): void;
  log?(actor: Actor, line: () => string): void;
}

const HASHED_AT_ONCE = 65_536;

/** Most of what is written no checker looks into. */
class Stored {
  readonly #json: string;
  #object: KubeObject | undefined;

  constructor(json: string) {
    this.#json = json;
  }

  get object(): KubeObject {
    this.#object ??= JSON.parse(this.#json) as KubeObject;
    return this.#object;
  }
}

export class History {
  readonly #hash = createHash('sha256');
  readonly #listeners: Listener[] = [];
  readonly #objects = new Map<string, Stored>();
  /** Lines on their way into the hash, which takes many at once for the price of one. */
  #pending = '';
  /** Every line, when somebody wants to read them. */
  readonly lines: string[] | undefined;

  constructor(keepLines: boolean) {
    this.lines = keepLines ? [] : undefined;
  }

  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  /** What the API server has now. */
  object(collection: string, key: string): KubeObject | undefined {
    return this.#objects.get(`${collection}/${key}`)?.object;
  }

  *objects(collection: string): Generator<KubeObject> {
    for (const [key, stored] of this.#objects) if (key.startsWith(`${collection}/`)) yield stored.object;
  }

  write(
    at: number,
    actor: Actor,
    entry: { collection: string; key: string; revision: number; json: string | undefined },
  ): void {
    const { collection, key, revision, json } = entry;
    this.#line(`${at} api ${actor} ${collection}/${key} ${revision} ${json ?? 'deleted'}`);
    const path = `${collection}/${key}`;
    const before = this.#objects.get(path);
    const now = json === undefined ? undefined : new Stored(json);
    if (now === undefined) this.#objects.delete(path);
    else this.#objects.set(path, now);
    const write: ApiWrite = {
      at,
      actor,
      collection,
      key,
      revision,
      json,
      get object() {
        return now?.object;
      },
      get before() {
        return before?.object;
      },
    };
    for (const listener of this.#listeners) listener.write?.(write);
  }

  backend(operation: BackendOperation): void {
    const { at, zone, actor, operation: what, uid, epoch, holder, outcome } = operation;
    this.#line(`${at} backend ${zone} ${actor} ${what} ${uid} ${epoch} ${holder} ${outcome}`);
    for (const listener of this.#listeners) listener.backend?.(operation);
  }

  sending(sending: Sending): void {
    this.#line(`${sending.at} send ${sending.actor} ${sending.method} ${sending.path}`);
    for (const listener of this.#listeners) listener.sending?.(sending);
  }

  note(at: number, what: string): void {
    this.#line(`${at} ${what}`);
  }

  get listensToLogs(): boolean {
    return this.lines !== undefined || this.#listeners.some(({ log }) => log !== undefined);
  }

  log(at: number, actor: Actor, line: () => string): void {
    // Logs are no part of the trace: what they say has happened already.
    this.lines?.push(`${at} log ${actor} ${line()}`);
    for (const listener of this.#listeners) listener.log?.(actor, line);
  }

  digest(): string {
    return this.#hash.copy().update(this.#pending).digest('hex');
  }

  #line(line: string): void {
    this.#pending += `${line}\n`;
    if (this.#pending.length > HASHED_AT_ONCE) {
      this.#hash.update(this.#pending);
      this.#pending = '';
    }
    this.lines?.push(line);
  }
}
