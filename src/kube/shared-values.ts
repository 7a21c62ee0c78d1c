/**
 * One copy of values that many objects have in common, found by structure from the leaves up (hash consing). A value
 * gets a place at the second sight of it, so that what is unique to an object, as most is, takes none.
 */

export interface SharedValues {
  /**
   * A value equal to this one: the common copy where there is one, else the value itself, its parts replaced by common
   * copies. Takes over what it is given, which must be what JSON can say and no one else's: it is changed in place so,
   * and frozen once it is a common copy.
   */
  share<T>(value: T): T;
}

/**
 * Values that are kept, at most; each by its hash in one place, where the next of the same place replaces it. A pod
 * template has some fifty parts, most of them in common with other templates.
 */
const PLACES = 16_384;
/** V8 keeps one copy of shorter strings of a JSON text by itself; longer ones (a script) are not worth the reading. */
const STRING_MIN = 11;
const STRING_MAX = 1_024;
/** Of FNV-1a. */
const BASIS = 0x811c9dc5;
const PRIME = 0x01000193;

export function createSharedValues(): SharedValues {
  const common: unknown[] = new Array(PLACES).fill(undefined);
  /** Hash of what was seen last at each place. */
  const sights = new Uint32Array(PLACES);
  /** Of what `visit` returned last. */
  let hash = 0;

  function visit(value: unknown): unknown {
    if (typeof value === 'string') {
      hash = hashOf(value);
      return value.length < STRING_MIN || value.length > STRING_MAX ? value : placed(value, hash, Object.is);
    }
    if (typeof value !== 'object' || value === null) {
      hash = typeof value === 'number' ? Math.imul(value, PRIME) >>> 0 : value === true ? 1 : 2;
      return value;
    }
    const isArray = Array.isArray(value);
    // Object.values and Object.keys are several times quicker than reading key by key.
    const parts: readonly unknown[] = Object.values(value);
    let keys: readonly string[] | undefined;
    // Which keys they are is left to the comparison.
    let combined = isArray ? 3 : 4;
    for (let i = 0; i < parts.length; i++) {
      const shared = visit(parts[i]);
      combined = Math.imul(combined ^ hash, PRIME);
      if (shared === parts[i]) continue;
      keys ??= Object.keys(value);
      (value as Record<string, unknown>)[keys[i] ?? ''] = shared;
    }
    hash = combined >>> 0;
    return placed(value, hash, sameParts);
  }

  /** The common copy, or the value, which becomes it when it is seen for the second time. */
  function placed<T>(value: T, of: number, same: (a: T, b: unknown) => boolean): unknown {
    const at = of % PLACES;
    const there = common[at];
    if (there !== undefined && same(value, there)) return there;
    if (sights[at] === of) common[at] = deepFreeze(value);
    else sights[at] = of;
    return value;
  }

  // What comes back is equal to what went in.
  return { share: <T>(value: T) => visit(value) as T };
}

/** FNV-1a; of a long string only the beginning. */
function hashOf(text: string): number {
  let hash = BASIS ^ text.length;
  const end = Math.min(text.length, STRING_MAX);
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), PRIME);
  return hash >>> 0;
}

/** True when their parts are the very same: those were shared before them. */
function sameParts(a: object, b: unknown): boolean {
  if (typeof b !== 'object' || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  return (
    sameItems(Object.values(a), Object.values(b)) && (Array.isArray(a) || sameItems(Object.keys(a), Object.keys(b)))
  );
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
