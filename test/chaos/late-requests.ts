/**
 * What is on its way while a leader is replaced: requests that it had sent in time arrive after its successor's first
 * ones. Whether it may act is asked where a request is sent; only whoever is asked can tell that it came too late.
 */
import type { Replica } from '../../src/commands/demo/stage.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { type Fault, type Field, pause, someLeader, watchZonesOf } from './field.ts';

/** The claims of a successor follow each other by less, and the API server hears of a Node's epoch within 60 ms. */
const AFTER_CLAIM_MS = 1_000;
/** From the last of a leader's requests to the moment that it is frozen. */
const GATHER_MS = 500;
/** They have all been answered by then. */
const ARRIVE_MS = 1_000;

interface Held {
  readonly victim: Replica;
  /** A zone that it leads, with more pods to make than it can in the time. */
  readonly zone: string;
  readonly proxy: FaultProxy;
}

/** Freezes a leader whose requests are held back, and lets them go once its zones were taken over. */
async function holdBack(field: Field, held: Held, isUnderWay: () => boolean, seen: () => Promise<void>) {
  const { play, flow } = field;
  const { victim, zone, proxy } = held;
  const zones = watchZonesOf(field, victim);
  proxy.holdRequests(true);
  try {
    flow.surge(zone);
    await play.until(`requests of ${victim.name} to be under way`, isUnderWay);
    await pause(field, GATHER_MS);
    victim.child.kill('SIGSTOP');
    const what = await zones.taken();
    await seen();
    await pause(field, AFTER_CLAIM_MS);
    const pieces = proxy.heldRequests.length;
    proxy.holdRequests(false);
    await pause(field, ARRIVE_MS);
    return `${what}, ${pieces} pieces arrived after that`;
  } finally {
    proxy.holdRequests(false);
    victim.child.kill('SIGCONT');
  }
}

function someZoneOf({ play, dice }: Field, replica: string): string {
  return dice.pick(play.observer.zones().filter(({ leader }) => leader === replica)).zone;
}

const lateAtBackend: Fault = {
  name: "a leader's requests reach a backend after its successor's",
  async happen(field) {
    const { play } = field;
    const victim = someLeader(field);
    const zone = someZoneOf(field, victim.name);
    const epoch = play.epochOf(zone);
    const proxy = play.links.toBackend(victim.name, zone);
    const changes = (): boolean => proxy.heldRequests.some((piece) => /^(PUT|POST|PATCH|DELETE) /.test(String(piece)));
    return await holdBack(field, { victim, zone, proxy }, changes, () =>
      play.until(`the successor's claim at the backend of ${zone}`, async () => {
        const entries = (await play.journals()).get(zone) ?? [];
        return entries.some((entry) => entry.op === 'claim' && entry.outcome !== 'refused' && entry.epoch > epoch);
      }),
    );
  },
};

/** Only where the API server compares epochs: what it accepts otherwise is told in src/fence/README.md. */
const lateAtApiServer: Fault = {
  name: "a leader's requests reach the API server after its successor's",
  async happen(field) {
    const victim = someLeader(field);
    const proxy = field.play.links.toApiServer(victim.name);
    const held = { victim, zone: someZoneOf(field, victim.name), proxy };
    return await holdBack(
      field,
      held,
      // Encrypted: that there are some has to be enough.
      () => proxy.heldRequests.length > 3,
      async () => {},
    );
  },
};

export function lateRequests(fence: 'warn' | 'enforce'): readonly Fault[] {
  return fence === 'enforce' ? [lateAtBackend, lateAtApiServer] : [lateAtBackend];
}
