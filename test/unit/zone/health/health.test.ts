import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createSimulatedBackend, createSimulatedProvider } from '../../../../providers/simulated/provider.ts';
import { silentLogger } from '../../../../src/log.ts';
import { healthMetrics } from '../../../../src/metrics/health.ts';
import { providerMetrics } from '../../../../src/metrics/provider.ts';
import { createGuard } from '../../../../src/provider/guard.ts';
import { createSetHealth, type SetHealth } from '../../../../src/zone/health/health.ts';
import { followZoneReports } from '../../../../src/zone/zone-reports.ts';
import { type Replica, Stage } from '../../election/stage.ts';

const ZONES = ['a', 'b', 'c'];

/** Replicas that elect leaders and look at backends; the way of each to each backend can be cut. */
async function threeReplicas(zones: readonly string[] = ZONES) {
  const stage = new Stage(zones);
  const stop = new AbortController();
  const backends = zones.map((zone) => createSimulatedBackend({ zone, clock: stage.clock }));
  const cut = new Set<string>();
  const members: { replica: Replica; health: SetHealth; registry: Registry }[] = [];
  for (const home of ZONES) {
    const replica = stage.start(`r${home}`, { homeZone: home });
    const registry = new Registry();
    const health = createSetHealth({
      zones,
      replica: { name: replica.name, homeZone: home },
      candidates: replica.election.candidates,
      clock: replica.clock,
      metrics: healthMetrics(registry),
    });
    members.push({ replica, health, registry });
    for (const backend of backends) {
      const provider = createSimulatedProvider(backend, replica.clock);
      const guard = createGuard({
        provider: {
          ...provider,
          async *zoneReports(signal) {
            for await (const report of provider.zoneReports(signal)) {
              const isCut = cut.has(`${replica.name}/${backend.zone}`);
              yield isCut ? { state: 'Unknown', evidence: 'connection refused' } : report;
            }
          },
        },
        clock: replica.clock,
        metrics: providerMetrics(new Registry()),
        log: silentLogger,
      });
      const reports = followZoneReports(guard);
      void reports.run(stop.signal);
      void health.zone(backend.zone).run({ provider: guard, reports }, stop.signal);
    }
  }
  await stage.advance(5_000);
  return {
    stage,
    backends,
    members,
    cut,
    verdicts: (zone: string) => members.map(({ health }) => health.zone(zone).verdict.state),
    [Symbol.dispose]: () => stop.abort(),
  };
}

test('a backend that is down for all: every replica says so within 20 s, and who saw what', async () => {
  using set = await threeReplicas();
  expect(set.verdicts('a')).toEqual(['Up', 'Up', 'Up']);
  const [a] = set.backends;
  a?.setFaults({ unreachable: true });
  await set.stage.advance(8_000);
  expect(set.verdicts('a')).toEqual(['Up', 'Up', 'Up']);
  await set.stage.advance(12_000);
  expect(set.verdicts('a')).toEqual(['Down', 'Down', 'Down']);
  expect(set.verdicts('b')).toEqual(['Up', 'Up', 'Up']);
  expect(set.members[0]?.health.zone('a').verdict.message).toMatch(
    /^ra in a sees Down \(.*unreachable\); rb in b sees Down \(.*unreachable\); rc in c sees Down/,
  );
  // Nobody reaches it: nobody is better placed to lead.
  expect(set.stage.leaders()).toEqual({ a: 'ra', b: 'rb', c: 'rc' });
  expect(set.members[0]?.replica.terms).toHaveLength(1);
  const shown = await set.members[1]?.registry.metrics();
  expect(shown).toContain('zonelet_zone_health{zone="a",state="Down"} 1');
  expect(shown).toContain('zonelet_zone_observers{zone="a",state="Down"} 3');

  a?.setFaults({ unreachable: false });
  await set.stage.advance(12_000);
  expect(set.verdicts('a')).toEqual(['Down', 'Down', 'Down']);
  await set.stage.advance(12_000);
  expect(set.verdicts('a')).toEqual(['Up', 'Up', 'Up']);
});

test('a backend that only its leader does not reach: another replica leads the zone, which stays up', async () => {
  using set = await threeReplicas();
  set.cut.add('ra/a');
  await set.stage.until(() => ['rb', 'rc'].includes(set.stage.leader('a')?.name ?? ''), 25_000);
  expect(set.verdicts('a')).toEqual(['NoNew', 'Up', 'Up']);
  await set.stage.advance(120_000, 500);
  expect(set.stage.replicas.flatMap(({ terms }) => terms.filter(({ zone }) => zone === 'a'))).toHaveLength(2);
  set.cut.clear();
  await set.stage.advance(120_000, 500);
  expect(set.stage.leader('a')?.name).toBe('ra');
});

test('a replica that is alone declares no new pods, never down', async () => {
  using set = await threeReplicas();
  for (const { replica } of set.members.slice(1)) replica.kill();
  await set.stage.advance(15_000);
  set.backends[0]?.setFaults({ unreachable: true });
  await set.stage.advance(60_000, 500);
  expect(set.verdicts('a')[0]).toBe('NoNew');
  expect(set.members[0]?.health.zone('a').verdict.reason).toBe('BackendNotReached');
});

test('when every backend is down the observers are at fault: nothing is concluded of any zone', async () => {
  using set = await threeReplicas();
  for (const backend of set.backends) {
    backend.setFaults({ unreachable: true });
  }
  await set.stage.advance(60_000, 500);
  for (const zone of ZONES) expect(set.verdicts(zone)).toEqual(['Unknown', 'Unknown', 'Unknown']);
  // One that is back shows that the others are not.
  set.backends[2]?.setFaults({ unreachable: false });
  await set.stage.advance(30_000, 500);
  expect(ZONES.map((zone) => set.verdicts(zone)[0])).toEqual(['Down', 'Down', 'Up']);
});

test('a backend that takes no new pods is believed at once', async () => {
  using set = await threeReplicas();
  set.backends[1]?.setFaults({ zoneState: 'NoNew' });
  await set.stage.advance(100);
  expect(set.verdicts('b')).toEqual(['NoNew', 'NoNew', 'NoNew']);
  expect(set.stage.leader('b')?.name).toBe('rb');
});

test('a backend that hangs, its stream open, is noticed by a ping', async () => {
  using set = await threeReplicas();
  const [ra] = set.members;
  let hangs = false;
  const hanging = {
    async *zoneReports(signal: AbortSignal) {
      if (!hangs) yield { state: 'Up' as const, evidence: 'fine' };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  };
  const silent = { latest: undefined, subscribe: () => () => {}, run: async () => {} };
  void ra?.health.zone('c').run({ provider: hanging, reports: silent }, new AbortController().signal);
  await set.stage.advance(7_000);
  expect(set.verdicts('c')[0]).toBe('Up');
  hangs = true;
  await set.stage.advance(26_000);
  expect(set.verdicts('c')[0]).toBe('NoNew');
  expect(ra?.health.zone('c').verdict.message).toContain('the backend did not answer a ping within 3 s');
});
