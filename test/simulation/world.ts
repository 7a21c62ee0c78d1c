/** A whole world of one seed: API server, controllers, backends and replicas, and what the plan does to them. */

import type { Config } from '../../src/config/config.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { schema } from '../../src/config/schema.ts';
import { formatDuration } from '../../src/config/syntax.ts';
import { ApiServer } from './model/api-server.ts';
import { History } from './model/history.ts';
import { Link } from './model/link.ts';
import { PeerNetwork } from './model/peers.ts';
import { dice } from './model/randomness.ts';
import { enter } from './model/real-world.ts';
import { createRedis } from './model/redis.ts';
import { Replica } from './model/replica.ts';
import { Scheduler } from './model/scheduler.ts';
import { ZoneBackend } from './model/zone-backend.ts';
import { NAMESPACE, SET, type World, type Zone } from './place.ts';
import type { Fault, Plan } from './plan.ts';
import { Workload } from './workload.ts';

/** Between the starts of two replicas. */
const START_SPREAD_MS = 3_000;

/** Puts the world together; nothing has happened yet. */
export function createWorld(plan: Plan, keepLines: boolean): World {
  const { seed } = plan;
  const scheduler = new Scheduler();
  enter(scheduler);
  const history = new History(keepLines);
  const api = new ApiServer({
    seed,
    scheduler,
    history,
    nodeMonitorGraceMs: plan.nodeMonitorGraceMs,
    fencePolicy: plan.fencePolicy,
  });
  const zones = Array.from({ length: plan.zones }, (_, i) => {
    const name = `zone-${i}`;
    return { name, nodeName: `${SET}-${name}`, backend: new ZoneBackend(name, scheduler, history, dice(seed, name)) };
  });
  const peers = new PeerNetwork(scheduler, dice(seed, 'peers'));
  const redis = Array.from({ length: plan.redis }, (_, i) => createRedis(`redis-${i}`, scheduler));
  const backends = new Map(zones.map(({ name, backend }) => [name, backend]));
  const replicas = plan.rates.map((rate, i) => {
    const name = `replica-${i}`;
    return new Replica({
      seed,
      name,
      config: configOf(plan, name, `zone-${i % plan.zones}`, zones),
      namespace: NAMESPACE,
      scheduler,
      history,
      api,
      apiLink: new Link(scheduler, dice(seed, `${name} api`)),
      backends,
      peers,
      redis,
      redisLinks: new Map(redis.map((_, r) => [`redis-${r}`, new Link(scheduler, dice(seed, `${name} redis-${r}`))])),
      backendLinks: new Map(zones.map((zone) => [zone.name, new Link(scheduler, dice(seed, `${name} ${zone.name}`))])),
      rate,
    });
  });
  return { plan, scheduler, history, api, zones, replicas, peers, redis };
}

function configOf(plan: Plan, replica: string, homeZone: string, zones: readonly Zone[]): Config {
  const file = {
    apiVersion: 'zonelet.dev/v1alpha1',
    kind: 'Zonelet',
    set: SET,
    replica: { name: replica, homeZone, uid: `uid-of-${replica}` },
    zones: zones.map(({ name }) => ({ name, region: 'region', provider: { kind: 'simulated' } })),
    kubelet: { address: '10.0.0.1' },
    ...(plan.evictAfterMs === undefined
      ? {}
      : { onZoneDown: { policy: 'evict', after: formatDuration(plan.evictAfterMs) } }),
    election: { by: plan.election },
    ...(plan.fencePolicy ? { fence: { admissionPolicy: 'enforce' } } : {}),
    state: { by: plan.state },
    ...(plan.redis === 0
      ? {}
      : { redis: { servers: Array.from({ length: plan.redis }, (_, i) => `redis://redis-${i}:6379`) } }),
  };
  return resolveConfig(schema.parse(file), { file: '/zonelet.yaml', env: {}, hostname: replica, providers: new Map() });
}

/** Lets it all happen. */
export async function play(world: World): Promise<void> {
  const { plan, scheduler, history, api, replicas } = world;
  const life = new AbortController();
  const workload = new Workload(world);
  await workload.prepare();
  void api.runControllers(life.signal);
  const d = dice(plan.seed, 'starts');
  for (const replica of replicas) scheduler.after(START_SPREAD_MS * d.next(), () => replica.start());
  for (const step of plan.steps) {
    if (step.what === 'deed') scheduler.after(step.at, () => void workload.carryOut(step.deed));
    else scheduler.after(step.at, () => bringAbout(world, step));
  }
  scheduler.after(plan.calmFromMs, () => {
    history.note(scheduler.now, 'calm');
    heal(world);
  });
  await scheduler.run(plan.lengthMs);
  life.abort();
}

function bringAbout(world: World, { fault, forMs }: Fault): void {
  const { scheduler, history, api } = world;
  const end = (run: () => void): void => void scheduler.after(forMs, run);
  history.note(scheduler.now, `fault ${JSON.stringify(fault)} for ${forMs}`);
  const replica = 'replica' in fault ? world.replicas[fault.replica] : undefined;
  const link = replica === undefined || !('from' in fault) ? undefined : linkTo(replica, fault.from);
  const zone = 'zone' in fault ? world.zones[fault.zone] : undefined;
  const backend = zone?.backend;
  switch (fault.kind) {
    case 'cut':
      for (const way of ['up', 'down'] as const) {
        if (fault.direction !== way && fault.direction !== 'both') continue;
        link?.block(way);
        end(() => link?.unblock(way, fault.reset));
      }
      return;
    case 'refuse':
      if (link === undefined) return;
      link.refused = true;
      link.breakStreams();
      end(() => (link.refused = false));
      return;
    case 'slow':
      if (link === undefined) return;
      link[fault.direction].delayMs = fault.delayMs;
      end(() => (link[fault.direction].delayMs = 0));
      return;
    case 'lose':
      if (link === undefined) return;
      link[fault.direction].loss = fault.share;
      end(() => (link[fault.direction].loss = 0));
      return;
    case 'fade':
      if (link === undefined) return;
      link.down.delayMs = fault.delayMs;
      scheduler.after(forMs / 2, () => {
        link.down.delayMs = 0;
        for (const way of ['up', 'down'] as const) link.block(way);
      });
      end(() => {
        for (const way of ['up', 'down'] as const) link.unblock(way, true);
      });
      return;
    case 'straggle':
      if (link === undefined) return;
      link[fault.direction].straggle = fault.share;
      end(() => (link[fault.direction].straggle = 0));
      return;
    case 'repeat':
      if (link === undefined) return;
      link.duplication = fault.share;
      end(() => (link.duplication = 0));
      return;
    case 'stale watch':
      if (replica === undefined) return;
      replica.apiLink.watchLagMs = fault.lagMs;
      end(() => (replica.apiLink.watchLagMs = 0));
      return;
    case 'pause':
      replica?.pause(fault.asleep);
      end(() => replica?.go());
      return;
    case 'crash':
      replica?.kill();
      end(() => replica?.start());
      return;
    case 'terminate':
      replica?.terminate();
      // A supervisor that waits for its grace, and then kills.
      end(() => {
        replica?.kill();
        replica?.start();
      });
      return;
    case 'slander':
      if (replica?.process !== undefined) world.peers.slander(replica.process);
      return;
    case 'wall clock':
      replica?.stepWall(fault.offsetMs);
      end(() => replica?.stepWall(0));
      return;
    case 'redis away': {
      const model = world.redis[fault.server];
      model?.stop(fault.losing);
      end(() => model?.start());
      return;
    }
    case 'redis flush':
      for (const model of world.redis) model.flush();
      return;
    case 'api away':
      api.trouble.away = true;
      api.breakStreams();
      end(() => (api.trouble.away = false));
      return;
    case 'api restart':
      api.restart();
      return;
    case 'api errors':
      api.trouble.errors = fault.share;
      end(() => (api.trouble.errors = 0));
      return;
    case 'api throttles':
      api.trouble.throttles = fault.share;
      end(() => (api.trouble.throttles = 0));
      return;
    case 'backend away':
      if (backend === undefined) return;
      backend.trouble.away = true;
      backend.breakStreams();
      end(() => (backend.trouble.away = false));
      return;
    case 'backend slow':
      if (backend === undefined) return;
      backend.trouble.slowMs = fault.slowMs;
      end(() => (backend.trouble.slowMs = 0));
      return;
    case 'backend lies':
      if (backend === undefined) return;
      backend.trouble.lie = fault.lie;
      end(() => (backend.trouble.lie = 'none'));
      return;
    case 'backend incomplete':
      if (backend === undefined) return;
      backend.trouble.incomplete = true;
      end(() => (backend.trouble.incomplete = false));
      return;
    case 'backend stale':
      if (backend === undefined) return;
      backend.trouble.staleMs = fault.staleMs;
      end(() => (backend.trouble.staleMs = 0));
      return;
  }
}

function linkTo(replica: Replica, name: string): Link | undefined {
  if (name === 'api') return replica.apiLink;
  return replica.backendLinks.get(name) ?? replica.redisLinks.get(name);
}

/** Whatever the plan left is over: two faults of one kind may have overlapped. */
function heal({ api, zones, replicas, redis }: World): void {
  for (const model of redis) model.start();
  Object.assign(api.trouble, { away: false, errors: 0, throttles: 0 });
  for (const { backend } of zones)
    Object.assign(backend.trouble, { away: false, slowMs: 0, lie: 'none', incomplete: false, staleMs: 0 });
  for (const replica of replicas) {
    for (const link of [replica.apiLink, ...replica.backendLinks.values(), ...replica.redisLinks.values()]) {
      Object.assign(link, { refused: false, duplication: 0, watchLagMs: 0 });
      for (const way of ['up', 'down'] as const) {
        Object.assign(link[way], { loss: 0, delayMs: 0, straggle: 0 });
        if (link[way].blocked) link.unblock(way, true);
      }
    }
    replica.go();
    replica.start();
    replica.stepWall(0);
  }
}
