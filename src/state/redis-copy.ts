/**
 * A replica's copy of a zone's records, filled by a scan and kept current by messages. Pure: it says when it has missed
 * something, and others scan again.
 */
import type { PodRecord } from './contract.ts';
import { decodeRecord } from './record.ts';

/** A message, taken apart. */
export interface News {
  readonly id: string;
  readonly seq: number;
  /** UID to its record, undefined for one that was dropped. */
  readonly changes: readonly (readonly [uid: string, record: PodRecord | undefined])[];
}

export function readNews(text: string): News | undefined {
  const [head = '', ...lines] = text.split('\n');
  const [id = '', seq] = head.split(' ');
  if (id === '' || !Number.isSafeInteger(Number(seq))) return undefined;
  const changes = lines.flatMap((line): [string, PodRecord | undefined][] => {
    const space = line.indexOf(' ');
    if (space < 0) return line === '' ? [] : [[line, undefined]];
    return [[line.slice(0, space), decodeRecord(line.slice(space + 1))]];
  });
  return { id, seq: Number(seq), changes };
}

/** What a scan has gathered. */
export interface Snapshot {
  readonly id: string;
  /** When the scan began; what was written later may be in it or not. */
  readonly seq: number;
  /** UID to the number of the write and the record. */
  readonly entries: ReadonlyMap<string, { readonly seq: number; readonly record: PodRecord }>;
}

/** `<seq> <JSON>`, as it is stored. */
export function readStored(text: string): { readonly seq: number; readonly record: PodRecord } | undefined {
  const space = text.indexOf(' ');
  const record = decodeRecord(text.slice(space + 1));
  const seq = Number(text.slice(0, space));
  return record === undefined || !Number.isSafeInteger(seq) ? undefined : { seq, record };
}

export class ZoneCopy {
  /** By UID. */
  readonly records = new Map<string, PodRecord>();
  #id = '';
  #seq = 0;
  /** Heard while a scan is under way. */
  #heard: News[] | undefined;

  /** True when nothing was written that this copy does not have. */
  isAt(id: string, seq: number): boolean {
    return this.#id === id && this.#seq === seq;
  }

  /** After a write of one's own, or a claim: what is here is what is there. */
  setAt(id: string, seq: number): void {
    this.#id = id;
    this.#seq = seq;
  }

  get id(): string {
    return this.#id;
  }

  /** From now on messages are put aside for the end of a scan. */
  beginScan(): void {
    this.#heard = [];
  }

  /** False when something was missed, and a scan is needed. */
  hear(news: News): boolean {
    if (this.#heard !== undefined) {
      this.#heard.push(news);
      return true;
    }
    if (news.id !== this.#id || news.seq > this.#seq + 1) return false;
    if (news.seq <= this.#seq) return true;
    for (const [uid, record] of news.changes) {
      if (record === undefined) this.records.delete(uid);
      else this.records.set(uid, record);
    }
    this.#seq = news.seq;
    return true;
  }

  /** Takes what the scan found, and what was heard meanwhile. False when that leaves a gap: scan again. */
  endScan({ id, seq, entries }: Snapshot): boolean {
    const heard = this.#heard ?? [];
    this.#heard = undefined;
    this.records.clear();
    for (const [uid, { record }] of entries) this.records.set(uid, record);
    this.setAt(id, seq);
    for (const news of heard) {
      if (news.id !== id || news.seq <= seq) continue;
      if (news.seq !== this.#seq + 1) return false;
      for (const [uid, record] of news.changes) {
        // The page may have been read after this was written.
        if ((entries.get(uid)?.seq ?? 0) > news.seq) continue;
        if (record === undefined) this.records.delete(uid);
        else this.records.set(uid, record);
      }
      this.#seq = news.seq;
    }
    return true;
  }

  abandonScan(): void {
    this.#heard = undefined;
    // Nothing that is heard fits on to this any more.
    this.#id = '';
  }
}
