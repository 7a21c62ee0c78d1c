/**
 * The mutations of a provider on the word of one term: sent only while it may act, never for longer than it lasts; a refusal
 * as stale ends it, and a create whose reply was lost is looked up before it is asked again.
 */
import { assertMayAct, type Term } from '../election/term.ts';
import { hasCode, messageOf, type ZoneletError } from '../errors.ts';
import { joinedWith } from '../joined-signal.ts';
import type { Logger } from '../log.ts';
import type {
  BackendPod,
  CreateOutcome,
  DeleteResult,
  Operation,
  PodRef,
  Provider,
  ResolvedPod,
  VolumeContent,
} from './contract.ts';
import { Fenced } from './fenced.ts';
import { broken, type GuardedCall } from './guarded-call.ts';
import { receivedObservation } from './received-pod.ts';

export interface MutationOptions {
  /** Ends the wait and the call early, besides the end of the term. */
  readonly signal?: AbortSignal;
  /** 1 for the first try. @defaultValue 1 */
  readonly attempt?: number;
}

/** A provider in the hands of one term: every mutation is made on that term's word. */
export interface TermProvider {
  /** Raises the backend's fence to this term. Does nothing where the backend cannot fence. */
  claim(options?: MutationOptions): Promise<void>;
  /** `adopted` also when a lost reply turned out to have been a success. */
  create(pod: ResolvedPod, options?: MutationOptions): Promise<{ outcome: CreateOutcome; pod: BackendPod }>;
  update(pod: ResolvedPod, options?: MutationOptions): Promise<BackendPod>;
  delete(ref: PodRef, options: MutationOptions & { readonly gracePeriodSeconds: number }): Promise<DeleteResult>;
  /** Left out where the provider cannot. */
  readonly refreshVolumes?: (
    ref: PodRef,
    volumes: Readonly<Record<string, VolumeContent>>,
    options?: MutationOptions,
  ) => Promise<void>;
}

export interface TermProviderOptions {
  readonly provider: Provider;
  readonly term: Term;
  readonly owner: string;
  readonly calls: GuardedCall;
  readonly callTimeoutMs: number;
  /** The pod that was asked for, or an error that says what is wrong with the answer. */
  readonly ours: (operation: string, owner: string, uid: string, value: unknown) => BackendPod;
  readonly get: (owner: string, ref: PodRef, signal: AbortSignal) => Promise<BackendPod | undefined>;
  readonly onFenced: ((by: 'self' | 'backend') => void) | undefined;
  readonly log: Logger;
}

export function createTermProvider(options: TermProviderOptions): TermProvider {
  const { provider, term, owner, calls, callTimeoutMs, ours, get, onFenced, log } = options;
  const { zone } = provider;
  /** Creates whose outcome is not known yet. Bounded by the pods of the zone: a pod's deletion takes it out. */
  const uncertain = new Set<string>();
  const whileInOffice = joinedWith(term.signal);

  function fenced(by: 'self' | 'backend', error: ZoneletError): void {
    onFenced?.(by);
    if (by === 'backend') term.lose('fenced', error.message, error instanceof Fenced ? error.current.epoch : undefined);
  }

  async function mutate<T>(
    operation: string,
    { signal, attempt = 1 }: MutationOptions,
    run: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    const waiting = whileInOffice(signal);
    return await calls.inTurn(waiting, async () => {
      // Here, after any wait and before anything is sent: this is what keeps two leaders from acting at once.
      try {
        assertMayAct(term);
      } catch (error) {
        if (hasCode(error, 'Fenced')) fenced('self', error);
        throw error;
      }
      const timeoutMs = Math.min(callTimeoutMs, term.remainingMs());
      const { epoch, holder } = term;
      try {
        return await calls.send(operation, 'write', timeoutMs, [term.signal, signal], (limit) =>
          run({
            owner,
            zone,
            epoch,
            holder,
            signal: limit,
            timeoutMs,
            attempt,
          }),
        );
      } catch (error) {
        if (hasCode(error, 'Fenced')) fenced('backend', error);
        throw error;
      }
    });
  }

  async function lookUp(ref: PodRef): Promise<BackendPod | undefined> {
    const found = await get(owner, ref, term.signal);
    if (found !== undefined) uncertain.delete(ref.uid);
    return found;
  }

  const refreshVolumes = provider.refreshVolumes?.bind(provider);
  return {
    ...(refreshVolumes === undefined
      ? {}
      : {
          refreshVolumes: (ref, volumes, mutation = {}) =>
            mutate('refreshVolumes', mutation, (operation) => refreshVolumes(ref, volumes, operation)),
        }),

    async claim(mutation = {}) {
      const claim = provider.claim?.bind(provider);
      if (claim !== undefined) return await mutate('claim', mutation, claim);
      if (provider.capabilities.fence === 'epoch') throw broken('claim', 'it says that it fences and has no claim');
    },

    async create(pod, mutation = {}) {
      const { uid } = pod.ref;
      if (uncertain.has(uid)) {
        const found = await lookUp(pod.ref);
        if (found !== undefined) return { outcome: 'adopted', pod: found };
      }
      try {
        const answer = await mutate('create', mutation, (operation) => provider.create(pod, operation));
        if (answer?.outcome !== 'created' && answer?.outcome !== 'adopted') {
          throw broken('create', 'it says neither created nor adopted');
        }
        const created = ours('create', owner, uid, answer.pod);
        uncertain.delete(uid);
        return { outcome: answer.outcome, pod: created };
      } catch (error) {
        if (!hasCode(error, 'Ambiguous')) throw error;
        uncertain.add(uid);
        const found = await lookUp(pod.ref).catch((failure: unknown) => {
          log.warn({ uid, error: messageOf(failure) }, 'could not look up a create whose reply was lost');
          return undefined;
        });
        if (found === undefined) throw error;
        return { outcome: 'adopted', pod: found };
      }
    },

    async update(pod, mutation = {}) {
      const updated: unknown = await mutate('update', mutation, (operation) => provider.update(pod, operation));
      return ours('update', owner, pod.ref.uid, updated);
    },

    async delete(ref, { gracePeriodSeconds, ...mutation }) {
      const result = await mutate('delete', mutation, (operation) =>
        provider.delete(ref, { gracePeriodSeconds }, operation),
      );
      if (result?.state === 'stopping') {
        return {
          state: 'stopping',
          pod: ours('delete', owner, ref.uid, result.pod),
        };
      }
      if (result?.state !== 'gone') throw broken('delete', 'it says neither stopping nor gone');
      uncertain.delete(ref.uid);
      const last = receivedObservation(result.last);
      return last === undefined ? { state: 'gone' } : { state: 'gone', last };
    },
  };
}
