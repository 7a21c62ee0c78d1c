/**
 * The API server in the hands of one term, as the provider's guard is for the backend: whatever a leader writes goes
 * through here, so that no caller can forget a rule.
 *
 * - The right to act is asked when the request is written to its connection, after every wait for one.
 * - No request lasts longer than the right to act, and losing the term aborts it.
 * - Patches and deletions name the UID and the resourceVersion that they were decided upon. A PUT carries them in the
 *   object, and a creation needs none: the name is free or it is not.
 * - Where a policy in the API server compares epochs (`admission-policy.ts`), statuses carry the term's.
 */
import { epochFloor, writerEpoch } from '../election/epoch-floor.ts';
import { WRITER_EPOCH_ANNOTATION } from '../election/names.ts';
import { assertMayAct, type Term } from '../election/term.ts';
import { hasCode, ZoneletError } from '../errors.ts';
import { joinedWith } from '../joined-signal.ts';
import type { CallOptions, DeleteOptions, KubeClient, ObjectName, Patch, WriteOptions } from '../kube/client.ts';
import { NODES, type Resource } from '../kube/resources.ts';
import type { KubeObject } from '../kube/types.ts';

export interface TermClientOptions {
  readonly client: KubeClient;
  readonly term: Term;
  /** Told of every write that came too late: it was not sent, or the API server's policy refused it. */
  readonly onFenced?: (by: 'self' | 'api-server') => void;
  /**
   * Name of the zone's Node, where a policy compares epochs: statuses carry the term's, and a refusal is looked into there.
   * @defaultValue no policy does, and nothing is carried
   */
  readonly policyNode?: string;
}

/** A patch of what may be changed; the preconditions are added. */
export interface TermPatch {
  readonly type: Exclude<Patch['type'], 'json'>;
  readonly body: {
    readonly metadata?: {
      readonly annotations?: Readonly<Record<string, string | null>>;
      readonly [field: string]: unknown;
    };
    readonly [field: string]: unknown;
  };
}

export interface TermClient {
  create<T extends KubeObject>(of: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  /** `object` as it was read and changed: `Conflict` when another version stands there now. */
  replace<T extends KubeObject>(of: Resource<T>, object: T, options?: WriteOptions): Promise<T>;
  /** `decidedOn`: the version that the patch was made from. `Conflict` when another one, or another UID, stands there now. */
  patch<T extends KubeObject>(of: Resource<T>, decidedOn: T, patch: TermPatch, options?: WriteOptions): Promise<T>;
  /** `Conflict` as for a patch; `NotFound` when it was gone already. */
  delete<T extends KubeObject>(
    of: Resource<T>,
    decidedOn: T,
    options?: Omit<DeleteOptions, 'uid' | 'resourceVersion'>,
  ): Promise<void>;
}

const TIMEOUT_MS = 10_000;
const LOOK_TIMEOUT_MS = 3_000;

export function createTermClient(options: TermClientOptions): TermClient {
  const { client, term, policyNode, onFenced } = options;
  const whileInOffice = joinedWith(term.signal);

  function bounded<O extends CallOptions>(given: O | undefined): O & CallOptions {
    const { signal, timeoutMs = TIMEOUT_MS } = given ?? {};
    return {
      ...(given as O),
      signal: whileInOffice(signal),
      timeoutMs: Math.min(timeoutMs, term.remainingMs()),
      onSend: () => assertMayAct(term),
    };
  }

  /** `Fenced` is thrown here alone: an API server knows nothing of terms. */
  async function write<T>(run: () => Promise<T>): Promise<T> {
    try {
      assertMayAct(term);
      return await run();
    } catch (error) {
      if (hasCode(error, 'Fenced')) onFenced?.('self');
      throw error;
    }
  }

  /** As `write`, of a status where a policy compares epochs. Its refusal has the code of any other: what stands there tells. */
  async function writeCompared<T extends KubeObject>(
    node: string,
    of: Resource<T>,
    at: ObjectName,
    run: () => Promise<T>,
  ): Promise<T> {
    try {
      return await write(run);
    } catch (error) {
      if (!hasCode(error, 'Forbidden')) throw error;
      const stands = await epochThatStands(node, of, at);
      if (stands <= term.epoch) throw error;
      onFenced?.('api-server');
      term.lose('fenced', error.message, stands);
      throw new ZoneletError('Fenced', error.message, { cause: error });
    }
  }

  /** The higher of what the zone's Node and the object's last writer say; 0 when they cannot be read. */
  async function epochThatStands(node: string, of: Resource<KubeObject>, at: ObjectName): Promise<number> {
    const call = { signal: term.signal, timeoutMs: LOOK_TIMEOUT_MS };
    const [claimed, written] = await Promise.allSettled([
      client.get(NODES, { name: node }, call),
      client.get(of, at, call),
    ]);
    return Math.max(
      claimed.status === 'fulfilled' ? (epochFloor(claimed.value) ?? 0) : 0,
      written.status === 'fulfilled' ? (writerEpoch(written.value) ?? 0) : 0,
    );
  }

  return {
    create: (of, object, given) => write(() => client.create(of, object, bounded(given))),
    async replace(of, object, given) {
      versionOf(of, object);
      return await write(() => client.replace(of, object, bounded(given)));
    },
    async patch(of, decidedOn, { type, body }, given) {
      const { at, uid, resourceVersion } = versionOf(of, decidedOn);
      const compared = policyNode !== undefined && given?.subresource === 'status';
      const annotations = { ...body.metadata?.annotations, [WRITER_EPOCH_ANNOTATION]: String(term.epoch) };
      const metadata = { ...body.metadata, ...(compared ? { annotations } : {}), uid, resourceVersion };
      const send = () => client.patch(of, at, { type, body: { ...body, metadata } }, bounded(given));
      return await (compared ? writeCompared(policyNode, of, at, send) : write(send));
    },
    async delete(of, decidedOn, given) {
      const { at, uid, resourceVersion } = versionOf(of, decidedOn);
      await write(() => client.delete(of, at, { ...bounded(given), uid, resourceVersion }));
    },
  };
}

function versionOf(
  of: Resource<KubeObject>,
  { metadata = {} }: KubeObject,
): { readonly at: ObjectName; readonly uid: string; readonly resourceVersion: string } {
  const { name, namespace, uid, resourceVersion } = metadata;
  if (name === undefined || uid === undefined || resourceVersion === undefined) {
    throw new ZoneletError(
      'Internal',
      `a ${of.kind} is to be written of which name, UID or resourceVersion is not known`,
    );
  }
  return { at: namespace === undefined ? { name } : { name, namespace }, uid, resourceVersion };
}
