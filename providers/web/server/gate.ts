/** What every mutation passes: the fence, and the journal, which has a line of it whatever became of it. */
import type { Clock } from '../../../src/clock.ts';
import { codeOf, messageOf, ZoneletError } from '../../../src/errors.ts';
import type { Fence, PodRef } from '../../../src/provider/contract.ts';
import { Fenced } from '../../../src/provider/fenced.ts';
import type { Journal, JournalEntry } from './journal.ts';
import type { Store } from './store.ts';

export interface GateOptions {
  readonly zone: string;
  readonly store: Store;
  readonly journal: Journal;
  readonly clock: Clock;
}

export interface Gate {
  /** Checks the fence, raises it, acts, and writes down what came of it. `ref`: an empty name is one not known. */
  pass<T>(
    op: JournalEntry['op'],
    fence: Fence,
    ref: PodRef | undefined,
    act: () => { readonly result: T; readonly outcome: 'accepted' | 'adopted' },
  ): T;
}

export function createGate({ zone, store, journal, clock }: GateOptions): Gate {
  /** Refuses what is stale; what is newer is kept before it is acted on. */
  function raise(asked: Fence): void {
    if (asked.zone !== zone) {
      throw new ZoneletError('InvalidInput', `this is the backend of zone ${zone}, not of ${asked.zone}`);
    }
    const { owner, epoch, holder } = asked;
    const fence = store.fences.get(owner);
    if (fence !== undefined && (epoch < fence.epoch || (epoch === fence.epoch && holder !== fence.holder))) {
      const message = `epoch ${epoch} of ${holder} is refused: the fence is at ${fence.epoch} of ${fence.holder}`;
      throw new Fenced(message, fence);
    }
    if (fence === undefined || epoch > fence.epoch) store.putFence({ owner, epoch, holder });
  }

  return {
    pass(op, fence, ref, act) {
      const entry = {
        op,
        epoch: fence.epoch,
        ...(ref === undefined ? {} : { uid: ref.uid }),
        ...(ref === undefined || ref.name === '' ? {} : { name: `${ref.namespace}/${ref.name}` }),
      };
      let done: ReturnType<typeof act>;
      try {
        raise(fence);
        done = act();
      } catch (error) {
        const reason = `${codeOf(error)}: ${messageOf(error)}`;
        journal.write(clock.now(), { ...entry, outcome: 'refused', reason });
        throw error;
      }
      journal.write(clock.now(), { ...entry, outcome: done.outcome });
      return done.result;
    },
  };
}
