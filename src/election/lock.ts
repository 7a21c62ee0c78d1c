/**
 * A lock with a record that everybody can read, renewed by its holder and taken from it when it stays unchanged for too
 * long. It only compares and swaps: who may take it when is decided by the campaign.
 */

/** What stands in a lock. Immutable; every write makes another one. */
export interface LockRecord {
  /** Empty when nobody holds it. */
  readonly holder: string;
  readonly epoch: number;
  /** How long the record, once unchanged, keeps others off. */
  readonly durationMs: number;
  /** Its holder gave it up in good order: nobody has to be waited for. A holder's name that was merely wiped out is no release. */
  readonly released: boolean;
  /** The replica that it was given up for. */
  readonly handOverTo: string | undefined;
  /** How long ago it was written, by the word of what keeps it; 0 where that does not tell. */
  readonly ageMs: number;
  /** Another one for every write; at least, and where writes are not counted for every look. */
  readonly version: string;
}

/** What a set can be elected with. */
export type ElectionKind = 'lease' | 'redis';

export interface LockCall {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Writes say what they build upon and change nothing when that is no longer what stands there: `Conflict`.
 * After `Ambiguous`, or any failure that leaves it open, the write may have been made or may still be: read before the next one.
 */
export interface Lock {
  /** For logs and metrics. */
  readonly name: string;
  /** Whoever can renew it can reach the API server too. */
  readonly provesReach: boolean;
  /** The highest epoch that is known of beside what the records say; 0 when none is. */
  readonly highestEpoch: number;
  /** What stands there now; undefined when there is no record at all. At least as new as the moment of the call. */
  read(call: LockCall): Promise<LockRecord | undefined>;
  /** Takes it: `from` undefined makes the record. `from` may still run: its holder may have been proved dead. */
  acquire(from: LockRecord | undefined, epoch: number, call: LockCall): Promise<LockRecord>;
  /** Says that the holder lives. The epoch is written again, whatever has become of it. */
  renew(from: LockRecord, epoch: number, call: LockCall): Promise<LockRecord>;
  /** Gives it up; everybody may take it at once, or `handOverTo` before the others. */
  release(from: LockRecord, handOverTo: string | undefined, call: LockCall): Promise<LockRecord>;
  /**
   * Tells of records as they change, the present one first; `undefined` means that it may be gone: read. Fast and without
   * any promise: it may be late, repeat itself or fall silent. Returns the end of it.
   */
  watch(tell: (record: LockRecord | undefined) => void): () => void;
  /** Negative when record `a` is certainly older than `b`. */
  compare(a: LockRecord, b: LockRecord): number;
}
