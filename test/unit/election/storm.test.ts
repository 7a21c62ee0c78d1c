import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseHolder } from '../../../src/election/identity.ts';
import { LEASES } from '../../../src/kube/resources.ts';
import type { Link } from './cluster.ts';
import { isLease, type Replica, Stage, type StartOptions } from './stage.ts';
import { Told } from './told.ts';

const ZONE = 'a';
const LEASE = 'zonelet-demo-a';

type Trouble =
  | { readonly kind: 'fault'; readonly fault: Link['fault'] }
  | { readonly kind: 'slow'; readonly requestMs: number; readonly replyMs: number }
  | { readonly kind: 'watch'; readonly silent: boolean; readonly delayMs: number }
  | { readonly kind: 'freeze' | 'suspend' | 'thaw' | 'heal' | 'restart' | 'replace' | 'stop' }
  | {
      readonly kind: 'redis';
      readonly fault: Link['fault'];
      readonly servers: readonly boolean[];
      readonly slowMs: number;
    }
  | { readonly kind: 'flush' | 'down' | 'up' | 'lose'; readonly server: number }
  | { readonly kind: 'wall'; readonly offsetMs: number }
  | { readonly kind: 'delete' | 'wipe' | 'shorten' | 'lower' | 'touch' };

/** A replica, and the connections by which it hears of others' deaths. */
interface Connected extends Replica {
  readonly witness: Told;
}

function start(stage: Stage, name: string, uid: string): Connected {
  const witness = new Told();
  const options: StartOptions = { homeZone: name, uid, witness };
  return Object.assign(stage.start(name, options), { witness });
}

/** It is dead for good, and its kernel says so. */
function kill(stage: Stage, live: readonly Connected[], victim: Connected): void {
  victim.kill();
  for (const { clock, witness } of live) {
    stage.clock.setTimer(60, () =>
      clock.deliver(() => {
        const at = clock.monotonic();
        witness.tell(victim.election.holder, { by: 'refused', at, coversUntil: at + 1_000 });
      }),
    );
  }
}

interface Step {
  readonly who: number;
  readonly afterMs: number;
  readonly trouble: Trouble;
}

const ofRedis: fc.Arbitrary<Trouble>[] = [
  fc.record({
    kind: fc.constant('redis'),
    fault: fc.constantFrom<Link['fault']>('none', 'refused', 'lost', 'deaf'),
    servers: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
    slowMs: fc.nat(3_000),
  } as const),
  fc.record({ kind: fc.constantFrom('flush', 'down', 'up', 'lose'), server: fc.nat(2) } as const),
];

const trouble: fc.Arbitrary<Trouble> = fc.oneof(
  ...(isLease() ? [] : ofRedis),
  fc.record({ kind: fc.constant('fault'), fault: fc.constantFrom<Link['fault']>('refused', 'lost', 'deaf') } as const),
  fc.record({ kind: fc.constant('slow'), requestMs: fc.nat(7_000), replyMs: fc.nat(7_000) } as const),
  fc.record({ kind: fc.constant('watch'), silent: fc.boolean(), delayMs: fc.nat(9_000) } as const),
  fc.record({
    kind: fc.constantFrom('freeze', 'suspend', 'thaw', 'heal', 'heal', 'restart', 'replace', 'stop'),
  } as const),
  fc.record({ kind: fc.constant('wall'), offsetMs: fc.integer({ min: -600_000, max: 600_000 }) } as const),
  fc.record({ kind: fc.constantFrom('delete', 'wipe', 'shorten', 'lower', 'touch') } as const),
);

const steps = fc.array(fc.record({ who: fc.nat(2), afterMs: fc.nat(4_000), trouble }), { minLength: 5, maxLength: 14 });

function heal({ link, redis, clock }: Replica): void {
  for (const way of [link, ...redis]) {
    Object.assign(way, { requestMs: 2, replyMs: 2, watchMs: 5, fault: 'none', watchSilent: false });
  }
  clock.thaw();
}

function apply(stage: Stage, live: Connected[], { who, trouble }: Step): void {
  const replica = live[who];
  if (replica === undefined) return;
  const { link, clock, name } = replica;
  switch (trouble.kind) {
    case 'fault':
      link.fault = trouble.fault;
      break;
    case 'slow':
      Object.assign(link, { requestMs: trouble.requestMs, replyMs: trouble.replyMs });
      break;
    case 'watch':
      Object.assign(link, { watchSilent: trouble.silent, watchMs: trouble.delayMs });
      break;
    case 'freeze':
      if (!clock.frozen) clock.freeze();
      break;
    case 'suspend':
      if (!clock.frozen) clock.suspend();
      break;
    case 'thaw':
      clock.thaw();
      break;
    case 'heal':
      heal(replica);
      break;
    case 'stop':
      // Its successor is another pod: it may begin while this one is still at it.
      replica.stop();
      live[who] = start(stage, name, `pod-${stage.replicas.length}`);
      break;
    case 'replace':
      kill(stage, live, replica);
      live[who] = start(stage, name, `pod-${stage.replicas.length}`);
      break;
    case 'restart':
      kill(stage, live, replica);
      live[who] = start(stage, name, parseHolder(replica.election.holder)?.podUid ?? '');
      break;
    case 'wall':
      clock.wallOffsetMs = trouble.offsetMs;
      break;
    case 'delete':
      stage.removeLock(ZONE);
      break;
    case 'redis':
      for (const [i, way] of replica.redis.entries()) {
        if (trouble.servers[i] !== true) continue;
        Object.assign(way, { fault: trouble.fault, requestMs: trouble.slowMs / 2, replyMs: trouble.slowMs / 2 });
      }
      break;
    case 'flush':
      stage.servers[trouble.server]?.flush();
      break;
    case 'down':
    case 'lose':
      stage.servers[trouble.server]?.stop(trouble.kind === 'lose');
      break;
    case 'up':
      stage.servers[trouble.server]?.start();
      break;
    default:
      stage.cluster.edit(LEASES, LEASE, (lease) => {
        // Both together are what a holder itself writes to let go: whoever does that by hand takes the lock from it.
        const held = lease.spec?.holderIdentity !== '';
        if (trouble.kind === 'wipe') lease.spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 2 };
        if (trouble.kind === 'shorten' && held) lease.spec = { ...lease.spec, leaseDurationSeconds: 1 };
        if (trouble.kind === 'lower') lease.spec = { ...lease.spec, leaseTransitions: 0 };
      });
  }
}

test('whatever fails, never two may act for a zone; epochs rise; afterwards there is one leader and quiet', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), async (schedule, seed) => {
      const stage = new Stage([ZONE], { seed });
      const live = ['a', 'b', 'c'].map((name) => start(stage, name, `pod-${name}`));
      await stage.advance(1_000, 100);
      for (const step of schedule) {
        apply(stage, live, step);
        stage.checkAlone();
        await stage.advance(step.afterMs, 100);
      }
      for (const replica of live) heal(replica);
      for (const server of stage.servers) server.start();
      stage.checkAlone();
      await stage.advance(25_000, 200);
      expect(stage.acting(ZONE)).toHaveLength(1);
      const terms = stage.replicas.flatMap((replica) => replica.terms);
      expect(new Set(terms.map(({ epoch, holder }) => `${epoch} ${holder}`)).size).toBe(terms.length);
      // The epochs on the Node are those of the terms that began to act.
      const claims = stage.cluster.writes
        .filter(({ key }) => key === `nodes/node-${ZONE}`)
        .map(({ object }) => Number(object.metadata?.annotations?.['zonelet.dev/epoch']));
      expect(claims).toEqual([...new Set(claims)].sort((x, y) => x - y));
      const leader = stage.leader(ZONE);
      await stage.advance(20_000, 200);
      // Nothing changes any more but that the zone may go home.
      const further = stage.replicas.flatMap((replica) => replica.terms).length - terms.length;
      expect(further).toBe(stage.leader(ZONE) === leader ? 0 : 1);
      if (further === 1) expect(stage.leader(ZONE)).toBe(live[0]);
    }),
    { numRuns: 60, seed: 20_260_101, endOnFailure: true },
  );
}, 60_000);
