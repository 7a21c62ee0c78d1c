/** What a checker is: it listens to the history and says what is wrong. */
import type { Listener } from '../model/history.ts';
import type { World } from '../place.ts';

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10' | 'I11';

export interface Checker extends Listener {
  /** Called once, when the run has come to its end, after the calm. */
  atEnd?(): void | Promise<void>;
  /** Of a bound, the largest share that was needed: what is never near it says too little. */
  closest?(): number;
}

/** Says that the invariant does not hold. */
export type Report = (message: string) => void;

export type CreateChecker = (world: World, report: Report) => Checker;

/** `replica-1#2` is the second process of `replica-1`; everybody else is no replica. */
export function isReplica(actor: string): boolean {
  return actor.startsWith('replica-');
}
