/** The backends' journals: what was really asked of them, one JSON line for each mutation. */
import { readFile } from 'node:fs/promises';
import type { JournalEntry as Mutation } from '../../../providers/web/server/journal.ts';

export interface JournalEntry extends Mutation {
  /** Milliseconds since the epoch. */
  readonly t: number;
}

/** Entries in the order in which they were written; none when the file is not there yet. */
export async function readJournal(file: string): Promise<JournalEntry[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  // A backend that was killed may have left half a line.
  const complete = text.slice(0, text.lastIndexOf('\n') + 1);
  return complete
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JournalEntry);
}

/** Creates beyond the first that a backend carried out, over all pods and journals: each is a pod that ran twice. */
export function duplicateCreates(journals: readonly (readonly JournalEntry[])[]): number {
  const created = new Map<string, number>();
  for (const { op, outcome, uid } of journals.flat()) {
    if (op === 'create' && outcome === 'accepted' && uid !== undefined) created.set(uid, (created.get(uid) ?? 0) + 1);
  }
  return [...created.values()].reduce((sum, times) => sum + times - 1, 0);
}
