/**
 * Signals joined with one that outlives them, each of them once: callers hand in the same few for every request, and
 * `AbortSignal.any` costs tens of microseconds, and memory until the next collection.
 */
export function joinedWith(base: AbortSignal): (other: AbortSignal | undefined) => AbortSignal {
  const joined = new WeakMap<AbortSignal, AbortSignal>();
  return (other) => {
    if (other === undefined || other === base) return base;
    let both = joined.get(other);
    if (both === undefined) {
      both = AbortSignal.any([other, base]);
      joined.set(other, both);
    }
    return both;
  };
}
