/**
 * What a replica knows of a lock, from its own writes, reads and the watch, and since when by its own monotonic clock.
 * The times that stand in a record say nothing here: clocks differ. A record that was seen to stay unchanged for as
 * long as it asks for was not renewed in that time, whatever anybody's clock says.
 */
import type { Clock } from '../clock.ts';
import type { Lock, LockRecord } from './lock.ts';

export interface Sighting {
  /** Undefined: there is no record. */
  readonly record: LockRecord | undefined;
  /** Monotonic time at which it was first seen like this, or was written where that is known. */
  readonly since: number;
  /** Before it, as far as this replica saw. */
  readonly before: { readonly record: LockRecord; readonly since: number } | undefined;
}

export interface Observer {
  /** Undefined until the first news. */
  readonly sighting: Sighting | undefined;
  /** The watch has it that the record may be gone, and no read has said otherwise yet. */
  readonly doubtful: boolean;
  /** Monotonic time of the last news, also of a read that showed no change. */
  readonly newsAt: number;
  /** The highest that was ever seen; 0 when none was. */
  readonly highestEpoch: number;
  /** The watch, or the answer to an own write, shows this. */
  saw(record: LockRecord): void;
  doubt(): void;
  /** Runs a read and takes in what it gives; throws what it throws. */
  read(read: () => Promise<LockRecord | undefined>): Promise<void>;
}

/** `changed` is called after the sighting changed, or came into doubt. */
export function createObserver(lock: Pick<Lock, 'compare'>, clock: Clock, changed: () => void): Observer {
  let sighting: Sighting | undefined;
  let doubtful = false;
  let newsAt = clock.monotonic();
  let highestEpoch = 0;
  let news = 0;

  function take(record: LockRecord | undefined): void {
    newsAt = clock.monotonic();
    news++;
    doubtful = false;
    if (sighting !== undefined && sighting.record?.version === record?.version) return;
    const before =
      sighting?.record === undefined ? sighting?.before : { record: sighting.record, since: sighting.since };
    sighting = { record, since: newsAt - (record?.ageMs ?? 0), before };
    highestEpoch = Math.max(highestEpoch, record?.epoch ?? 0);
    changed();
  }

  return {
    get sighting() {
      return sighting;
    },
    get doubtful() {
      return doubtful;
    },
    get newsAt() {
      return newsAt;
    },
    get highestEpoch() {
      return highestEpoch;
    },
    saw(record) {
      const known = sighting?.record;
      if (known !== undefined && lock.compare(record, known) < 0) return;
      take(record);
    },
    doubt() {
      doubtful = true;
      changed();
    },
    async read(read) {
      const before = news;
      const record = await read();
      const known = sighting?.record;
      // What came while the read was under way may be newer than it; what came before it cannot be, even if its version
      // says so (a cluster restored from a backup counts anew).
      if (news !== before && known !== undefined && (record === undefined || lock.compare(record, known) < 0)) return;
      take(record);
    },
  };
}
