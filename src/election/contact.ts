/** Whether this replica reaches the API server, and a clock of the others' lives that stands still while it does not. */
import type { Clock } from '../clock.ts';

export interface Contact {
  /** Monotonic time without that in which nobody could tell anything: then nobody's silence counts. */
  now(): number;
  readonly reachable: boolean;
  /** Milliseconds since it was last reached. */
  silentMs(): number;
  /** It was reached, or could not be. True when that is news. */
  reached(ok: boolean): boolean;
}

export function createContact(clock: Clock): Contact {
  let reachedAt = clock.monotonic();
  let unreachableMs = 0;
  let reachable = true;
  return {
    now: () => (reachable ? clock.monotonic() : reachedAt) - unreachableMs,
    get reachable() {
      return reachable;
    },
    silentMs: () => clock.monotonic() - reachedAt,
    reached(ok) {
      const now = clock.monotonic();
      if (ok && !reachable) unreachableMs += now - reachedAt;
      if (ok) reachedAt = now;
      const news = ok !== reachable;
      reachable = ok;
      return news;
    },
  };
}
