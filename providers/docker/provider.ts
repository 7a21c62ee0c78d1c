/** The provider of kind `docker`: the contract on one or several Docker engines. */
import type { Clock, Random } from '../../src/clock.ts';
import { hasCode, messageOf, ZoneletError } from '../../src/errors.ts';
import type { Logger } from '../../src/log.ts';
import type { Operation, PodRef, Provider, ProviderModule, ReadOptions } from '../../src/provider/contract.ts';
import { createPod } from './creation.ts';
import { deletePod } from './deletion.ts';
import { createEngine } from './engine.ts';
import { createEnginePods } from './engine-pods.ts';
import { createFleet, type Fleet, type Found } from './fleet.ts';
import { createSandboxImage } from './images.ts';
import { openLog } from './logs.ts';
import { createMonitor } from './monitor.ts';
import { LABEL, revisionVolume } from './names.ts';
import { type DockerOptions, parseOptions } from './options.ts';
import { encodedPod } from './pod-files.ts';
import { isRunning, type RunState } from './pod-state.ts';
import { portForward } from './port-forward.ts';
import { podStats } from './stats.ts';
import { attach, exec } from './streams.ts';
import { CAPABILITIES, unsupportedFields } from './support.ts';
import { refreshVolume } from './volume-refresh.ts';
import { type ZoneEngine, zoneReports } from './zone.ts';

export const provider: ProviderModule<DockerOptions> = {
  kind: 'docker',
  parseOptions,
  create: (options, context) => createDockerProvider(options, context),
};

export interface DockerContext {
  readonly zone: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** To find a pod before a stream is opened. */
const FIND_MS = 10_000;

export function createDockerProvider(options: DockerOptions, { zone, clock, random, log }: DockerContext): Provider {
  /** Ends with the provider. */
  const life = new AbortController();
  const fleets = new Map<string, Fleet>();
  const monitors = new Map<string, readonly ReturnType<typeof createMonitor>[]>();
  const engines = options.engines.map((engineOptions, i) => {
    const engine = createEngine(engineOptions, clock);
    const podCount = (): number =>
      [...monitors.values()].reduce((count, all) => count + (all[i]?.known().length ?? 0), 0);
    const zoned: ZoneEngine = { engine, options: engineOptions, podCount };
    return { zoned, engine, sandboxImage: createSandboxImage(options, engine, life.signal) };
  });
  const sandboxImages = new Map(engines.map(({ engine, sandboxImage }) => [engine.name, sandboxImage]));

  /** From the first call on that names an owner, its pods are kept going. */
  function fleetOf(owner: string): Fleet {
    const known = fleets.get(owner);
    if (known !== undefined) return known;
    if (life.signal.aborted) throw new ZoneletError('Unavailable', 'the provider is closed');
    const members = engines.map(({ engine, zoned }) => {
      const pods = createEnginePods(engine, owner, zone);
      const { hostIP } = zoned.options;
      const monitor = createMonitor({
        pods,
        hostIP,
        alone: engines.length === 1,
        clock,
        random,
        log,
        life: life.signal,
      });
      return { monitor, room: () => zoned.room };
    });
    const fleet = createFleet(members);
    fleets.set(owner, fleet);
    monitors.set(
      owner,
      members.map(({ monitor }) => monitor),
    );
    return fleet;
  }

  async function existing(owner: string, ref: PodRef, reading: ReadOptions): Promise<Found> {
    const found = await fleetOf(owner).find(ref.uid, reading);
    if (found?.state.sandbox.started !== true) throw new ZoneletError('NotFound', `no pod ${ref.uid} here`);
    return found;
  }

  async function container(owner: string, ref: PodRef, name: string, signal: AbortSignal) {
    const { monitor, state } = await existing(owner, ref, { signal, timeoutMs: FIND_MS });
    const resolved = await monitor.pods.applied(state, { signal, timeoutMs: FIND_MS });
    const { initContainers = [], containers = [] } = resolved?.pod.spec ?? {};
    const known = state.runs.has(name) || [...initContainers, ...containers].some((one) => one.name === name);
    if (!known) throw new ZoneletError('NotFound', `pod ${ref.name} has no container ${name}`);
    return { engine: monitor.pods.engine, runs: state.runs.get(name) ?? [] };
  }

  async function running(owner: string, ref: PodRef, name: string, signal: AbortSignal) {
    const { engine, runs } = await container(owner, ref, name, signal);
    const [run] = runs;
    if (run?.phase !== 'running') throw new ZoneletError('Conflict', `container ${name} is not running`);
    return { engine, run };
  }

  const joined = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, life.signal]);
  const readingOf = ({ signal, timeoutMs }: Operation): ReadOptions => ({ signal, timeoutMs });

  return {
    kind: 'docker',
    zone,
    capabilities: CAPABILITIES,
    validate: (pod) => unsupportedFields(pod, options),

    create: (pod, operation) => createPod(pod, operation, fleetOf(operation.owner), sandboxImages, options, clock),

    async update(pod, operation) {
      const reading = readingOf(operation);
      const { monitor, state } = await existing(operation.owner, pod.ref, reading);
      const { uid } = pod.ref;
      // The pod first: who sees the new revision must not find the old pod.
      await monitor.pods.writeFiles(state.sandbox.id, [encodedPod(pod)], reading);
      const revision = state.revision + 1;
      const labels = {
        [LABEL.role]: 'revision',
        [LABEL.revision]: String(revision),
        [LABEL.hash]: pod.hash,
        [LABEL.epoch]: String(operation.epoch),
      };
      await monitor.pods.makeVolume(revisionVolume(monitor.pods.prefix(uid), revision), pod.ref, labels, reading);
      monitor.kick(uid);
      const after = await existing(operation.owner, pod.ref, reading);
      return await monitor.observe(after.state, reading);
    },

    async refreshVolumes(ref, volumes, operation) {
      const { monitor, state } = await existing(operation.owner, ref, readingOf(operation));
      for (const [name, content] of Object.entries(volumes)) {
        await refreshVolume(monitor.pods, state, name, content, clock, readingOf(operation));
      }
    },

    delete: (ref, { gracePeriodSeconds }, operation) =>
      deletePod(ref, gracePeriodSeconds, operation, fleetOf(operation.owner), clock),

    async get(owner, ref, reading) {
      const fleet = fleetOf(owner);
      try {
        const found = await fleet.find(ref.uid, reading);
        return found?.state.sandbox.started === true ? await found.monitor.observe(found.state, reading) : undefined;
      } catch (error) {
        const seen = engines.length > 1 && hasCode(error, 'Unavailable') ? fleet.unreachable(ref.uid) : undefined;
        if (seen !== undefined) return seen;
        throw unknown(error);
      }
    },

    list: (owner, reading) => fleetOf(owner).list(reading),
    watch: (owner, signal) => fleetOf(owner).watch(joined(signal)),
    zoneReports: (signal) =>
      zoneReports(
        engines.map(({ zoned }) => zoned),
        clock,
        joined(signal),
      ),

    async logs(owner, ref, name, logging, signal) {
      const { engine, runs } = await container(owner, ref, name, joined(signal));
      const run: RunState | undefined = logging.previous ? runs[1] : runs[0];
      if (run === undefined) {
        throw new ZoneletError('NotFound', `container ${name} has no ${logging.previous ? 'previous run' : 'log yet'}`);
      }
      return await openLog(engine, run, logging, joined(signal));
    },

    async exec(owner, ref, name, how, streams, signal) {
      const ending = joined(signal);
      const { engine, run } = await running(owner, ref, name, ending);
      return await exec(engine, run.id, how, streams, clock, ending);
    },

    async attach(owner, ref, name, streams, signal) {
      const ending = joined(signal);
      const { engine, run } = await running(owner, ref, name, ending);
      await attach(engine, run.id, run.tty, streams, ending);
    },

    async portForward(owner, ref, port, signal) {
      const ending = joined(signal);
      const { monitor, state } = await existing(owner, ref, { signal: ending, timeoutMs: FIND_MS });
      if (!isRunning(state)) throw new ZoneletError('Conflict', `pod ${ref.name} is not running`);
      return await portForward(monitor.pods.engine, state.sandbox.id, port, ending);
    },

    async stats(owner, reading) {
      const all = await fleetOf(owner).states(reading);
      const each = await Promise.all(all.map(({ monitor, states }) => podStats(monitor.pods.engine, states, reading)));
      return each.flat();
    },

    async [Symbol.asyncDispose]() {
      life.abort();
      for (const { engine } of engines) engine[Symbol.dispose]();
    },
  };
}

function unknown(error: unknown): ZoneletError {
  if (hasCode(error, 'Aborted', 'Unavailable')) return error;
  return new ZoneletError('Unavailable', messageOf(error), { cause: error });
}
