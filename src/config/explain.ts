/** From what the schema found to sentences: what was found, what is allowed, what was probably meant. */
import type { z } from 'zod';
import { nearest } from '../nearest.ts';
import type { Path } from './document.ts';

export interface Finding {
  readonly path: Path;
  readonly message: string;
  /** The key itself is at fault, not its value. */
  readonly atKey?: boolean;
}

type Issue = z.core.$ZodIssue;

/** Names of options whose values are never shown. */
const SECRET = /token|secret|password|credential|key$/i;

/** `raw` is what was checked against `schema`. */
export function explain(issues: readonly Issue[], raw: unknown, schema: z.core.$ZodType): Finding[] {
  return issues.flatMap((issue): Finding[] => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code === 'unrecognized_keys') {
      const present = Object.keys((valueAt(raw, path) ?? {}) as object);
      const known = keysAt(schema, path);
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, known, present), atKey: true }));
    }
    if (issue.code === 'invalid_key') {
      const key = String(path.at(-1));
      return [
        {
          path,
          message: `found the key ${show(key)}, allowed: ${issue.issues[0]?.message ?? issue.message}`,
          atKey: true,
        },
      ];
    }
    const values = issue.code === 'invalid_value' ? issue.values.map(String) : [];
    const value = valueAt(raw, path);
    return [{ path, message: `${wrongValue(value, issue.message, values, path)}${quotingHint(issue, value)}` }];
  });
}

/** YAML's own trap: `"9090"` is text and `1` is none. */
function quotingHint(issue: Issue, value: unknown): string {
  if (issue.code !== 'invalid_type') return '';
  if (issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return '; in quotes it is text';
  }
  const isNumber = typeof value === 'string' && /^-?\d+(?:\.\d+)?$/.test(value);
  return (issue.expected === 'number' || issue.expected === 'int') && isNumber ? '; without quotes it is a number' : '';
}

/** `found "x", allowed: ...; did you mean "y"?` */
export function wrongValue(
  value: unknown,
  allowed: string,
  candidates: readonly string[] = [],
  path: Path = [],
): string {
  if (value === undefined || value === null) return `missing; allowed: ${allowed}`;
  const meant = typeof value === 'string' ? nearest(value, candidates) : undefined;
  const shown = path.some((step) => SECRET.test(String(step))) ? 'a value that is not shown here' : show(value);
  return `found ${shown}, allowed: ${allowed}${meant === undefined ? '' : `; did you mean "${meant}"?`}`;
}

/** `present`: the keys that stand there already and so were not meant. */
export function unknownKey(key: string, known: readonly string[], present: readonly string[]): string {
  const meant = nearest(
    key,
    known.filter((candidate) => !present.includes(candidate)),
  );
  return `unknown key "${key}"${meant === undefined ? '' : `; did you mean "${meant}"?`} (known here: ${known.join(', ')})`;
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value !== 'string') return `${JSON.stringify(value)} (a ${typeof value})`;
  // Somebody wrote the password into the address, which is one of the mistakes that are told.
  const shown = value.replace(/(:\/\/)[^/]*@/g, '$1***@');
  return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 77)}...` : shown);
}

export function valueAt(raw: unknown, path: Path): unknown {
  let value = raw;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** The keys that the schema knows at `path`. */
function keysAt(schema: z.core.$ZodType, path: Path): string[] {
  const { def } = unwrap(schema)._zod as { def: z.core.$ZodTypeDef };
  const [step, ...rest] = path;
  if (def.type === 'object') {
    const { shape } = def as z.core.$ZodObjectDef;
    const child = step === undefined ? undefined : shape[step];
    if (step === undefined) return Object.keys(shape);
    return child === undefined ? [] : keysAt(child, rest);
  }
  if (def.type === 'array' && step !== undefined) return keysAt((def as z.core.$ZodArrayDef).element, rest);
  return [];
}

/** Without the wrappers that make it optional or give it a default. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const def = schema._zod.def as { readonly innerType?: z.core.$ZodType };
  return def.innerType === undefined ? schema : unwrap(def.innerType);
}
