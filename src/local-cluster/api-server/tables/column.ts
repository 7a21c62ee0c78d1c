import type { ApiObject } from '../api-object.ts';

/** One column of a table of objects. */
export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer';
  /** `name`: this is the object's name. */
  readonly format?: 'name';
  /** 0: always shown; above: with `-o wide`. @defaultValue 0 */
  readonly priority?: number;
  /** Stands behind the age. */
  readonly after?: 'age';
  cell(object: ApiObject, nowMs: number): string | number;
}
