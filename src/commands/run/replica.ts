/**
 * A replica, put together: servers, caches, election and zones, started in this order and stopped in the reverse one, so
 * that a zone is given up in good order while everything that this takes still works.
 */
import { createElection, type Election } from '../../election/election.ts';
import { holderIdentity } from '../../election/identity.ts';
import type { RedisElection } from '../../election/redis-election.ts';
import { createEventRecorder } from '../../kube/event-recorder.ts';
import { createInformer } from '../../kube/informer.ts';
import { LEASES, NODES, SERVICES } from '../../kube/resources.ts';
import { createPodSharing } from '../../kube/sharing.ts';
import { type LifecycleResult, type Part, runLifecycle } from '../../lifecycle.ts';
import { SET_LABEL } from '../../node/names.ts';
import { createServiceLinks, slimService } from '../../pods/resolve/service-links.ts';
import { version } from '../../version.ts';
import { askHomeZone, askOwner } from '../../zone/cluster-facts.ts';
import { watchForDrain } from '../../zone/drain-watch.ts';
import { createSetHealth, type SetHealth } from '../../zone/health/health.ts';
import { runZone } from '../../zone/zone.ts';
import { electionReadiness, electOnRedis } from './election.ts';
import { stateReadiness, zoneState } from './pod-state.ts';
import type { ReplicaOptions } from './replica-options.ts';
import { service } from './service.ts';
import { startWitnesses } from './witnesses.ts';
import { prepareZone, type ZoneParts } from './zone-parts.ts';

/** What is only known once the API server has answered. */
interface Facts {
  readonly owner: string;
  readonly election: Election;
  readonly onRedis: RedisElection | undefined;
  readonly health: SetHealth;
  readonly kubeletPorts: readonly number[];
}

/** Giving the zones up takes less than half a second each, all at once; an API server that does not answer costs the rest. */
const STOP_ZONES_MS = 5_000;

export async function runReplica(options: ReplicaOptions): Promise<LifecycleResult> {
  const { config, client, clock, random, metrics, log } = options;
  await using resources = new AsyncDisposableStack();
  const informing = { client, clock, random, metrics: metrics.api, log };
  const nodes = createInformer({
    ...informing,
    resource: NODES,
    selection: { labelSelector: `${SET_LABEL}=${config.set}` },
  });
  const leases = createInformer({
    ...informing,
    resource: LEASES,
    selection: { namespace: options.namespace, labelSelector: `${SET_LABEL}=${config.set}` },
  });
  const services = createInformer({ ...informing, resource: SERVICES, selection: {}, transform: slimService });
  const serviceLinks = createServiceLinks(services);
  const events = createEventRecorder({
    client,
    clock,
    random,
    source: { component: 'zonelet', host: config.replica.name },
    metrics: metrics.api,
    log,
  });
  const redis =
    config.redis === undefined ? undefined : resources.use(await options.outside.openRedis(config.redis, options));
  const zones: ZoneParts[] = [];
  const sharePods = createPodSharing();
  for (const zone of config.zones) zones.push(resources.use(await prepareZone(zone, options, sharePods)));
  let facts: Facts | undefined;
  const known = (): Facts => {
    if (facts === undefined) throw new Error('asked for what the cluster has not told yet');
    return facts;
  };

  const caches = [
    { name: 'nodes', informer: nodes },
    { name: 'leases', informer: leases },
    ...zones.map(({ zone, pods }) => ({ name: `pods of ${zone.name}`, informer: pods })),
  ];
  const learn: Part = {
    name: 'cluster facts',
    async run(signal, ready) {
      const asking = { client, clock, log };
      const owner = await askOwner(config.set, asking, signal);
      const whereabouts = { nodeName: options.nodeName, pod: options.inCluster };
      const homeZone = config.replica.homeZone ?? (await askHomeZone(whereabouts, asking, signal));
      if (signal.aborted || owner === undefined) return;
      await using kubelets = await options.outside.startKubelets({ ...options, owner, zones, signal });
      const bootId = random.uuid();
      const holder = holderIdentity(config.replica.name, config.replica.uid, bootId);
      const { certificate } = kubelets;
      await using witnesses = await startWitnesses({ ...options, holder, certificate, zones });
      const onRedis = await electOnRedis(options, redis?.servers, owner);
      const election = createElection({
        by: config.election.by,
        ...(onRedis === undefined ? {} : { redisLock: onRedis.lock }),
        client,
        set: config.set,
        namespace: options.namespace,
        replica: {
          name: config.replica.name,
          ...(config.replica.uid === undefined ? {} : { uid: config.replica.uid }),
          ...(homeZone === undefined ? {} : { homeZone }),
        },
        bootId,
        zones: zones.map((parts) => ({
          name: parts.zone.name,
          nodeName: parts.zone.nodeName,
          witness: witnesses.of(parts),
        })),
        timing: config.election,
        handBack: config.election.handBack,
        leases,
        nodes,
        clock,
        random,
        metrics: metrics.election,
        log,
      });
      const health = createSetHealth({
        zones: config.zones.map(({ name }) => name),
        replica: { name: config.replica.name, ...(homeZone === undefined ? {} : { homeZone }) },
        candidates: election.candidates,
        clock,
        metrics: metrics.health,
      });
      facts = { owner, election, onRedis, health, kubeletPorts: kubelets.ports };
      log.info(
        { homeZone, holder: election.holder, namespace: options.namespace, kubeletPorts: kubelets.ports },
        'takes part in the set',
      );
      ready();
      await Promise.all([kubelets.run(signal), witnesses.run(election.candidates, signal)]);
    },
  };

  return await runLifecycle({
    clock,
    log,
    stop: options.stop,
    halt: options.halt,
    groups: [
      {
        name: 'http',
        parts: [
          {
            name: 'http server',
            async run(signal, ready) {
              await using server = await options.outside.startHttpServer({
                port: config.http.port,
                registry: metrics.registry,
                readiness: [
                  { name: 'cluster', check: () => ({ ok: facts !== undefined }) },
                  ...electionReadiness(config, () => facts),
                  ...stateReadiness(redis?.forState),
                  ...caches.map(({ name, informer }) => ({
                    name: `cache of ${name}`,
                    check: () => ({ ok: informer.hasSynced }),
                  })),
                ],
              });
              log.info({ port: server.port }, 'serves metrics and health checks');
              ready();
              await new Promise<void>((resolve) => {
                if (signal.aborted) resolve();
                else signal.addEventListener('abort', () => resolve(), { once: true });
              });
            },
          },
        ],
      },
      { name: 'events', parts: [service('event recorder', (signal) => events.run(signal))] },
      { name: 'cluster', parts: [learn] },
      {
        name: 'caches',
        parts: [
          ...caches.map(
            ({ name, informer }): Part => ({
              name: `cache of ${name}`,
              async run(signal, ready) {
                void informer.synced(signal).then(ready, () => {});
                await informer.run(signal);
              },
            }),
          ),
          // Not waited for: pods say themselves that they do.
          service('cache of services', (signal) => services.run(signal)),
        ],
      },
      {
        name: 'election',
        parts: [
          { name: 'election', run: (signal, ready) => known().election.run(signal, ready) },
          service('drain watch', (signal) =>
            watchForDrain(
              {
                at: { nodeName: options.nodeName, pod: options.inCluster },
                client,
                candidates: known().election.candidates,
                clock,
                random,
                metrics: metrics.api,
                log,
              },
              signal,
            ),
          ),
        ],
      },
      {
        name: 'zones',
        stopTimeoutMs: STOP_ZONES_MS,
        parts: zones.map(({ zone, identity, provider, pods, log: zoneLog }, index) =>
          service(`zone ${zone.name}`, (signal) =>
            runZone(
              {
                identity,
                owner: known().owner,
                client,
                campaign: known().election.campaign(zone.name),
                candidates: known().election.candidates,
                preferHome: config.election.handBack.mode !== 'never',
                provider,
                health: known().health.zone(zone.name),
                onZoneDown: config.onZoneDown,
                nodeNames: config.zones.map(({ nodeName }) => nodeName),
                pods,
                nodes,
                state: zoneState(options, redis?.forState, { zone: zone.name, owner: known().owner, log: zoneLog }),
                events,
                services: serviceLinks,
                capacity: zone.capacity,
                hostPolicy: zone.allow,
                carryEpoch: config.fence.admissionPolicy !== 'off',
                kubelet: { address: config.kubelet.address, port: known().kubeletPorts[index] ?? 0 },
                version: version(),
                clock,
                random,
                metrics,
                log: zoneLog,
              },
              signal,
            ),
          ),
        ),
      },
    ],
  });
}
