/** Usage as an engine measures it, under the names that Kubernetes has for it. */
import type { ContainerStats, PodStats, ReadOptions } from '../../src/provider/contract.ts';
import type { Engine } from './engine.ts';
import type { PodState } from './pod-state.ts';

interface EngineStats {
  readonly read: string;
  readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } };
  readonly memory_stats?: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly networks?: Readonly<
    Record<string, { rx_bytes: number; rx_errors: number; tx_bytes: number; tx_errors: number }>
  >;
}

/** Asked at the same time; each answer takes the engine some work. */
const AT_ONCE = 8;

export async function podStats(engine: Engine, states: Iterable<PodState>, options: ReadOptions): Promise<PodStats[]> {
  const all = [...states].filter(({ sandbox }) => sandbox.running);
  const found: PodStats[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE) {
    found.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map((state) => one(engine, state, options)))));
  }
  return found;
}

async function one(engine: Engine, { ref, sandbox, runs }: PodState, options: ReadOptions): Promise<PodStats> {
  const running = [...runs.values()].flatMap(([run]) => (run?.phase === 'running' ? [run] : []));
  const [network, ...containers] = await Promise.all([
    read(engine, sandbox.id, options),
    ...running.map(async (run) => containerStats(run.container, run.startedAt, await read(engine, run.id, options))),
  ]);
  return {
    ref,
    ...(sandbox.startedAt === undefined ? {} : { startTime: sandbox.startedAt }),
    containers: containers.filter((stats) => stats !== undefined),
    ...networkStats(network),
  };
}

/** `undefined` for one that has ended meanwhile. */
async function read(engine: Engine, id: string, options: ReadOptions): Promise<EngineStats | undefined> {
  const path = `/containers/${id}/stats?stream=false&one-shot=true`;
  const stats = await engine.json<EngineStats>({ method: 'GET', path, ...options }).catch(() => undefined);
  return stats === undefined || stats.read.startsWith('0001-') ? undefined : stats;
}

function containerStats(
  name: string,
  startTime: string | undefined,
  stats: EngineStats | undefined,
): ContainerStats | undefined {
  if (stats === undefined) return undefined;
  const { read: time, memory_stats: memory = {} } = stats;
  const cpu = stats.cpu_stats?.cpu_usage?.total_usage;
  const details = memory.stats ?? {};
  const { usage } = memory;
  // Of the first version of control groups, then of the second.
  const inactive = details.total_inactive_file ?? details.inactive_file ?? 0;
  const rss = details.total_rss ?? details.anon;
  return {
    name,
    time,
    ...(startTime === undefined ? {} : { startTime }),
    ...(cpu === undefined ? {} : { cpu: { usageCoreNanoSeconds: cpu } }),
    ...(usage === undefined
      ? {}
      : {
          memory: {
            usageBytes: usage,
            workingSetBytes: Math.max(0, usage - inactive),
            ...(rss === undefined ? {} : { rssBytes: rss }),
          },
        }),
  };
}

function networkStats(stats: EngineStats | undefined): Pick<PodStats, 'network'> {
  if (stats?.networks === undefined) return {};
  const sum = { rxBytes: 0, rxErrors: 0, txBytes: 0, txErrors: 0 };
  for (const link of Object.values(stats.networks)) {
    sum.rxBytes += link.rx_bytes;
    sum.rxErrors += link.rx_errors;
    sum.txBytes += link.tx_bytes;
    sum.txErrors += link.tx_errors;
  }
  return { network: { time: stats.read, ...sum } };
}
