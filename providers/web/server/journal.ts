/** The record of every mutation that was asked for, one JSON line each: what people and tests see the truth in. */
import { appendFileSync } from 'node:fs';

export interface JournalEntry {
  readonly op: 'claim' | 'create' | 'update' | 'volumes' | 'delete';
  readonly uid?: string;
  /** `namespace/name`, where it is known. */
  readonly name?: string;
  readonly epoch: number;
  readonly outcome: 'accepted' | 'adopted' | 'refused';
  readonly reason?: string;
}

export interface Journal {
  /** @param timeMs milliseconds since the epoch */
  write(timeMs: number, entry: JournalEntry): void;
}

export const NO_JOURNAL: Journal = { write() {} };

/** Appends to `file`. It throws when it cannot write: a record with gaps proves nothing. */
export function createJournal(file: string): Journal {
  return {
    write(timeMs, { op, uid, name, epoch, outcome, reason }) {
      const line = { t: Math.round(timeMs), op, uid, name, epoch, outcome, reason };
      appendFileSync(file, `${JSON.stringify(line)}\n`, { mode: 0o600 });
    },
  };
}
