/** Since when each replica has been able to lead each zone: it runs, and API server and backend answer it as they should. */
import type { World } from '../place.ts';

const EVERY_MS = 250;

const records = new WeakMap<World, HealthRecord>();

/** One for each world, whoever asks. */
export function healthOf(world: World): HealthRecord {
  let record = records.get(world);
  if (record === undefined) {
    record = new HealthRecord(world);
    records.set(world, record);
  }
  return record;
}

class HealthRecord {
  readonly #unfitAt = new Map<string, number>();
  readonly #world: World;
  readonly #subscribers: (() => void)[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#look();
  }

  #look(): void {
    const { scheduler, replicas, zones, api } = this.#world;
    for (const replica of replicas) {
      const reaches = replica.running && replica.apiLink.healthy && api.healthy;
      for (const { name, backend } of zones) {
        const fit = reaches && backend.healthy && replica.backendLinks.get(name)?.healthy === true;
        if (!fit) this.#unfitAt.set(`${replica.name}/${name}`, scheduler.now);
      }
    }
    for (const looked of this.#subscribers) looked();
    scheduler.after(EVERY_MS, () => this.#look());
  }

  /** Called after each look. */
  subscribe(looked: () => void): void {
    this.#subscribers.push(looked);
  }

  /** The earliest moment since when one and the same replica has been fit to lead the zone; undefined when none is. */
  fitSince(zone: string): number | undefined {
    const since = this.#world.replicas
      .filter(({ running }) => running)
      .map(({ name, upSince }) => Math.max(upSince, this.#unfitAt.get(`${name}/${zone}`) ?? 0));
    const earliest = Math.min(...since);
    return earliest >= this.#world.scheduler.now ? undefined : earliest;
  }
}
