/**
 * `--data FILE`: every change as a line of JSON, written before it is answered. The kernel has it then, so that a SIGKILL
 * of this process loses nothing. At the start the file is read and written anew with what is there now; a last line that
 * was not written to its end is left out, since nobody was told that it happened.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { ZoneletError } from '../../../errors.ts';
import type { JournalEntry } from '../storage/store.ts';
import type { KeyPair } from './certificate-authority.ts';

/** What makes a restarted server the same one: its CA, the admin's token, what tokens are signed with. */
export interface Identity {
  readonly ca: KeyPair;
  readonly adminToken: string;
  readonly tokenSecret: string;
}

export interface Kept {
  readonly identity: Identity | undefined;
  readonly entries: readonly JournalEntry[];
  /** At least this: what was deleted last leaves no other trace. */
  readonly revision: number;
}

/** First line of the file. */
interface Header {
  readonly format: 'zonelet-local-cluster';
  readonly version: 1;
  readonly identity: Identity;
  /** Of the last change: deletions leave no other trace of it. */
  readonly revision: number;
}

type Line = readonly [collection: string, key: string, revision: number, json: string | null];

const NOTHING: Kept = { identity: undefined, entries: [], revision: 0 };

export function readJournal(file: string): Kept {
  if (!existsSync(file)) return NOTHING;
  const lines = readFileSync(file, 'utf8').split('\n');
  // Complete lines end with a newline: what is behind the last one was cut off.
  lines.pop();
  const [first, ...rest] = lines;
  if (first === undefined) return NOTHING;
  const header = parse<Header>(file, first, 1);
  if (header.format !== 'zonelet-local-cluster' || header.version !== 1) {
    throw new ZoneletError('InvalidInput', `${file}: this is no data file of a local cluster`);
  }
  const entries = rest.map((line, i): JournalEntry => {
    const [collection, key, revision, json] = parse<Line>(file, line, i + 2);
    return { collection, key, revision, json: json ?? undefined };
  });
  return { identity: header.identity, entries, revision: header.revision };
}

function parse<T>(file: string, line: string, number: number): T {
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw new ZoneletError('InvalidInput', `${file}:${number}: this line is not JSON; the file is damaged`, { cause });
  }
}

export interface Journal extends Disposable {
  append(entry: JournalEntry): void;
}

/** Writes the file anew, then keeps it open for what comes. */
export function openJournal(
  file: string,
  identity: Identity,
  revision: number,
  entries: Iterable<JournalEntry>,
): Journal {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.new`;
  const descriptor = openSync(fresh, 'w', 0o600);
  const header: Header = { format: 'zonelet-local-cluster', version: 1, identity, revision };
  writeAll(descriptor, `${JSON.stringify(header)}\n`);
  for (const entry of entries) writeAll(descriptor, lineOf(entry));
  renameSync(fresh, file);
  return {
    append: (entry) => writeAll(descriptor, lineOf(entry)),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function lineOf({ collection, key, revision, json }: JournalEntry): string {
  const line: Line = [collection, key, revision, json ?? null];
  return `${JSON.stringify(line)}\n`;
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
