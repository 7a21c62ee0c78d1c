/** A first-in, first-out line of distinct keys, from which any key can be taken out of turn. Every step is O(1). */

export interface OrderedKeys {
  readonly size: number;
  has(key: string): boolean;
  /** Puts the key last; one that is in the line already keeps its place. */
  add(key: string): void;
  delete(key: string): boolean;
  /** Takes the first key out. */
  shift(): string | undefined;
}

export function createOrderedKeys(): OrderedKeys {
  const keys = new Set<string>();
  // One iterator that stays where it is: a new one for each step would walk over all that were taken out before.
  let first = keys.values();
  return {
    get size() {
      return keys.size;
    },
    has: (key) => keys.has(key),
    add: (key) => void keys.add(key),
    delete: (key) => keys.delete(key),
    shift() {
      if (keys.size === 0) return undefined;
      let next = first.next();
      if (next.done === true) {
        // An iterator that came to the end stays there, whatever is added afterwards.
        first = keys.values();
        next = first.next();
      }
      if (next.done === true) return undefined;
      keys.delete(next.value);
      return next.value;
    },
  };
}
