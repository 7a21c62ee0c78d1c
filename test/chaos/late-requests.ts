/**
 * What is on its way while a leader is replaced: requests that it had sent in time arrive after its successor's first
 * ones. Whether it may act is asked where a request is sent; only whoever is asked can tell that it came too late.
 */
import type { Replica } from '../../src/commands/demo/stage.ts';
import type { FaultProxy } from '../support/fault-proxy.ts';
import { type Fault, type Field, pause, seconds, someLeader, watchZonesOf } from './field.ts';

/** The API server was seen to hear of a Node's epoch within 60 ms; here the machine may be busy. */
const AFTER_CLAIM_MS = 1_000;
/** From the last of a leader's requests to the moment that it is frozen. */
const GATHER_MS = 500;
/** They have all been answered by then. */
const ARRIVE_MS = 1_000;

/** A leader that is frozen with requests on their way. */
interface Frozen {
  readonly victim: Replica;
  /** A zone that it leads, with pods to make. */
  readonly zone: string;
  /** Where they are held back. */
  readonly proxy: FaultProxy;
  /** Resolves once all its zones were taken over, with what was seen. */
  taken(): Promise<string>;
}

/** Freezes it in the middle of its work: what it has sent the way of the proxy has not arrived. */
async function freezeAtWork(
  field: Field,
  way: (replica: string, zone: string) => FaultProxy,
  isUnderWay: (proxy: FaultProxy) => boolean,
  then: (frozen: Frozen) => Promise<string>,
): Promise<string> {
  const { play, dice, flow } = field;
  const victim = someLeader(field);
  const { zone } = dice.pick(play.observer.zones().filter(({ leader }) => leader === victim.name));
  const proxy = way(victim.name, zone);
  const zones = watchZonesOf(field, victim);
  proxy.holdRequests(true);
  try {
    flow.surge(zone);
    await play.until(`requests of ${victim.name} to be under way`, () => isUnderWay(proxy));
    await pause(field, GATHER_MS);
    victim.child.kill('SIGSTOP');
    return await then({ victim, zone, proxy, taken: zones.taken });
  } finally {
    proxy.holdRequests(false);
    victim.child.kill('SIGCONT');
  }
}

/** Lets go what was held back; how much that was. */
async function letArrive(field: Field, { proxy }: Frozen): Promise<string> {
  const pieces = proxy.heldRequests.length;
  proxy.holdRequests(false);
  await pause(field, ARRIVE_MS);
  return `${pieces} pieces arrived after that`;
}

function changesSomething(proxy: FaultProxy): boolean {
  return proxy.heldRequests.some((piece) => /^(PUT|POST|PATCH|DELETE) /.test(String(piece)));
}

/** Encrypted: that there are some has to be enough. */
function sendsALot(proxy: FaultProxy): boolean {
  return proxy.heldRequests.length > 3;
}

const lateAtBackend: Fault = {
  name: "a leader's requests reach a backend after its successor's",
  happen(field) {
    const { play } = field;
    return freezeAtWork(field, play.links.toBackend, changesSomething, async (frozen) => {
      const { zone } = frozen;
      const epoch = play.epochOf(zone);
      const what = await frozen.taken();
      await play.until(`the successor's claim at the backend of ${zone}`, async () => {
        const entries = (await play.journals()).get(zone) ?? [];
        return entries.some((entry) => entry.op === 'claim' && entry.outcome !== 'refused' && entry.epoch > epoch);
      });
      return `${what}, ${await letArrive(field, frozen)}`;
    });
  },
};

/** Each status names the version of the pod that it was made from, and something has been written to all of them since. */
const lateAtApiServer: Fault = {
  name: "a leader's requests reach the API server after its successor's",
  happen(field) {
    const { history, links, stage, until } = field.play;
    return freezeAtWork(field, links.toApiServer, sendsALot, async (frozen) => {
      const node = stage.zones.find(({ name }) => name === frozen.zone)?.nodeName;
      await history.caughtUp();
      const unwritten = new Map(
        history
          .currentPods()
          .filter(({ spec, metadata, status }) => {
            return (
              spec?.nodeName === node && (metadata?.deletionTimestamp !== undefined || status?.phase !== 'Running')
            );
          })
          .map(({ metadata }) => [metadata?.uid, metadata?.resourceVersion]),
      );
      const what = await frozen.taken();
      await until(`the successor's statuses of all pods of ${frozen.zone}`, () =>
        history.currentPods().every(({ metadata }) => unwritten.get(metadata?.uid) !== metadata?.resourceVersion),
      );
      return `${what}, ${await letArrive(field, frozen)}`;
    });
  },
};

/** The successor has not come to writing any pod's status: nothing but the epoch on the Node speaks against the old ones. */
const lateBeforeSuccessor: Fault = {
  name: "a leader's requests reach the API server after its successor's claim",
  happen(field) {
    const { play } = field;
    return freezeAtWork(field, play.links.toApiServer, sendsALot, async (frozen) => {
      const what = await frozen.taken();
      const successor = play.leaderOf(frozen.zone) ?? '';
      const child = play.stage.part(successor);
      child.kill('SIGSTOP');
      try {
        await pause(field, AFTER_CLAIM_MS);
        return `${what}, ${await letArrive(field, frozen)}`;
      } finally {
        child.kill('SIGCONT');
      }
    });
  },
};

/** It hears nothing of its successor, and what it had sent is lost: its own clock alone keeps it from sending it again. */
const wokenCutOff: Fault = {
  name: 'SIGSTOP beyond the lease with requests lost, SIGCONT without the API server',
  happen(field) {
    const { play, dice } = field;
    return freezeAtWork(field, play.links.toBackend, changesSomething, async ({ victim, proxy, taken }) => {
      const toApiServer = play.links.toApiServer(victim.name);
      // Before there is anything to be heard: its kernel would keep it.
      toApiServer.cut(true);
      try {
        const what = await taken();
        const forMs = dice.between(2_000, field.leaseMs);
        proxy.cut(true);
        proxy.cut(false);
        proxy.holdRequests(false);
        victim.child.kill('SIGCONT');
        await pause(field, forMs);
        return `${what}, cut off for ${seconds(forMs)}`;
      } finally {
        toApiServer.cut(false);
      }
    });
  },
};

/** What a policy alone refuses, src/fence/README.md says. */
export function lateRequests(fence: 'warn' | 'enforce'): readonly Fault[] {
  const always = [lateAtBackend, lateAtApiServer, wokenCutOff];
  return fence === 'enforce' ? [...always, lateBeforeSuccessor] : always;
}
