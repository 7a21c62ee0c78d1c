/** The columns of each kind. */

import { age } from './age.ts';
import type { Column } from './table.ts';

const NAME: Column = { name: 'Name', type: 'string', format: 'name', cell: ({ metadata }) => metadata.name ?? '' };
const AGE: Column = {
  name: 'Age',
  type: 'string',
  cell: ({ metadata }, nowMs) => age(metadata.creationTimestamp, nowMs),
};
const GENERIC: readonly Column[] = [NAME, AGE];

export function columnsOf(_kind: string): readonly Column[] {
  return GENERIC;
}
