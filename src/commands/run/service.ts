/** A part of the process that the next group does not have to wait for. */
import type { Part } from '../../lifecycle.ts';

export function service(name: string, run: (signal: AbortSignal) => Promise<void>): Part {
  return {
    name,
    run(signal, ready) {
      ready();
      return run(signal);
    },
  };
}
