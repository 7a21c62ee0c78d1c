import type { Telling } from '../../../src/peers/peers.ts';

export interface Entry {
  readonly name: string;
  readonly holder: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What replicas tell of themselves, as a test lets them know of each other. */
export class Board {
  readonly #entries = new Map<string, Entry>();
  readonly #subscribers = new Set<() => void>();

  put(entry: Entry): void {
    this.#entries.set(entry.name, entry);
    for (const callback of this.#subscribers) callback();
  }

  others(name: string): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.name !== name);
  }

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** As the replica of this name and holder identity sees it. `told`: called with what it tells itself. */
  seenBy(name: string, holder: string, told?: (entry: Entry) => void): Telling {
    const telling: Record<string, string> = {};
    return {
      tell: (annotation, value) => {
        if (value !== undefined) telling[annotation] = value;
        const entry = { name, holder, annotations: { ...telling } };
        this.put(entry);
        told?.(entry);
      },
      living: () => this.others(name),
      subscribe: (callback) => {
        this.#subscribers.add(callback);
        return () => this.#subscribers.delete(callback);
      },
    };
  }
}
