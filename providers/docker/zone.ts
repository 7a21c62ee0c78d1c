/** What a zone's engines have for pods, and whether they can be reached. */
import { type Clock, sleep } from '../../src/clock.ts';
import { messageOf } from '../../src/errors.ts';
import type { Resources, ZoneReport } from '../../src/provider/contract.ts';
import { quantity } from '../../src/quantity.ts';
import type { EngineInfo } from './api.ts';
import type { Engine } from './engine.ts';
import type { EngineOptions } from './options.ts';

/** In the nanos that quantities are compared in. */
export interface Room {
  readonly cpu: bigint;
  readonly memory: bigint;
  readonly pods: number;
}

export interface ZoneEngine {
  readonly engine: Engine;
  readonly options: EngineOptions;
  /** What it said last. */
  room?: Room;
  /** Pods that it runs of owners that this replica serves. */
  podCount(): number;
}

const EVERY_MS = 3000;
const ANSWER_MS = 2500;
/** The contract's longest time between two reports is 10 s. */
const REPEAT_MS = 6000;

export async function* zoneReports(
  engines: readonly ZoneEngine[],
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<ZoneReport, void, void> {
  let last = '';
  let toldAt = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const report = await ask(engines, signal);
    if (signal.aborted) return;
    const text = JSON.stringify(report);
    if (text !== last || clock.monotonic() - toldAt >= REPEAT_MS) {
      last = text;
      toldAt = clock.monotonic();
      yield report;
    }
    await sleep(clock, EVERY_MS, signal);
  }
}

async function ask(engines: readonly ZoneEngine[], signal: AbortSignal): Promise<ZoneReport> {
  const answers = await Promise.allSettled(
    engines.map(async (zoned) => {
      const request = { method: 'GET', path: '/info', signal, timeoutMs: ANSWER_MS } as const;
      const info = await zoned.engine.json<EngineInfo>(request);
      zoned.room = roomOf(info, zoned.options);
      return info;
    }),
  );
  const evidence = answers
    .map((answer, i) => {
      const name = engines[i]?.engine.name;
      if (answer.status === 'rejected') return `engine ${name}: ${messageOf(answer.reason)}`;
      const { ServerVersion, NCPU, MemTotal } = answer.value;
      return `engine ${name}: Docker ${ServerVersion} with ${NCPU} processors and ${MemTotal} bytes of memory answers`;
    })
    .join('; ');
  const answering = engines.filter((_, i) => answers[i]?.status === 'fulfilled');
  if (answering.length === 0) return { state: 'Unknown', evidence };
  const known = engines.flatMap(({ room }) => room ?? []);
  const there = answering.flatMap(({ room }) => room ?? []);
  const open = answering.filter((zoned) => zoned.podCount() < (zoned.room?.pods ?? 0));
  const sizes = {
    capacity: resources(sum(known)),
    allocatable: resources(sum(there)),
    // The sum of several engines is no machine.
    largestPod: resources(there.reduce(larger)),
  };
  if (open.length > 0) return { state: 'Up', ...sizes, evidence };
  return { state: 'NoNew', ...sizes, evidence: `every engine has as many pods as it takes; ${evidence}` };
}

function roomOf({ NCPU, MemTotal }: EngineInfo, { cpu, memory, maxPods }: EngineOptions): Room {
  return {
    cpu: quantity(cpu ?? String(NCPU)).nanos,
    memory: quantity(memory ?? String(MemTotal)).nanos,
    pods: maxPods,
  };
}

function sum(rooms: readonly Room[]): Room {
  return rooms.reduce(
    (total, room) => ({ cpu: total.cpu + room.cpu, memory: total.memory + room.memory, pods: total.pods + room.pods }),
    { cpu: 0n, memory: 0n, pods: 0 },
  );
}

/** Of each the most: a pod that needs more than this of anything fits nowhere. */
function larger(a: Room, b: Room): Room {
  const most = (x: bigint, y: bigint): bigint => (x > y ? x : y);
  return { cpu: most(a.cpu, b.cpu), memory: most(a.memory, b.memory), pods: Math.max(a.pods, b.pods) };
}

const NANOS = 1_000_000_000n;

function resources({ cpu, memory, pods }: Room): Resources {
  return { cpu: `${cpu / 1_000_000n}m`, memory: String(memory / NANOS), pods: String(pods) };
}
