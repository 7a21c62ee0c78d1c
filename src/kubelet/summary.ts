/**
 * Usage in the form of `/stats/summary` (k8s.io/kubelet/pkg/apis/stats/v1alpha1). A virtual node has no machine of its
 * own: what it uses is what its pods use.
 */

import type { Clock } from '../clock.ts';
import { hasCode } from '../errors.ts';
import type { Pod } from '../kube/types.ts';
import type { ContainerStats, PodStats } from '../provider/contract.ts';
import { createBoundedCache } from './bounded-cache.ts';

interface Cpu {
  readonly time: string;
  readonly usageNanoCores?: number;
  readonly usageCoreNanoSeconds?: number;
}

interface Memory {
  readonly time: string;
  readonly availableBytes?: number;
  readonly usageBytes?: number;
  readonly workingSetBytes?: number;
  readonly rssBytes?: number;
  readonly pageFaults?: number;
  readonly majorPageFaults?: number;
}

interface Measured {
  readonly startTime: string | null;
  readonly cpu?: Cpu;
  readonly memory?: Memory;
}

export interface ContainerSummary extends Measured {
  readonly name: string;
  readonly rootfs?: { readonly time: string; readonly usedBytes?: number };
}

export interface PodSummary extends Measured {
  readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly containers: readonly ContainerSummary[];
  readonly network?: PodStats['network'];
}

export interface Summary {
  readonly node: Measured & { readonly nodeName: string };
  readonly pods: readonly PodSummary[];
}

export interface UsageOptions {
  readonly nodeName: string;
  /** The pods bound to this node; throws while they are not known. */
  readonly pods: () => readonly Pod[];
  /** Usage of every pod of this owner; throws as the guarded provider does. */
  readonly stats: () => Promise<readonly PodStats[]>;
  readonly clock: Clock;
}

export interface Usage {
  /** Throws what `stats` throws. */
  summary(): Promise<Summary>;
}

export function createUsage({ nodeName, pods, stats, clock }: UsageOptions): Usage {
  // Who asks at the same time gets the same answer. None is kept: a pod that runs is in the next one.
  const asked = createBoundedCache<Summary>({ clock, maxEntries: 1, maxOpen: 1, ttlMs: () => 0 });
  const nodeCpu = createNodeCounter();
  const startTime = new Date(clock.now()).toISOString();

  async function ask(): Promise<Summary> {
    const given = await stats();
    const bound = new Set(pods().map(({ metadata }) => metadata?.uid));
    const ours = given.filter(({ ref }) => bound.has(ref.uid));
    const time = new Date(clock.now()).toISOString();
    const summaries = ours.map(podSummary);
    const used = sums(summaries, time);
    const total = nodeCpu.add(ours, clock.now());
    return {
      node: { nodeName, startTime, ...used, cpu: { ...used.cpu, usageCoreNanoSeconds: total } },
      pods: summaries,
    };
  }

  return { summary: () => asked.get('', ask) };
}

/** What `?only_cpu_and_memory=true` leaves. */
export function onlyCpuAndMemory({ node, pods }: Summary): Summary {
  return {
    node,
    pods: pods.map(({ network: _network, containers, ...pod }) => ({
      ...pod,
      containers: containers.map(({ rootfs: _rootfs, ...container }) => container),
    })),
  };
}

/** For what the backend cannot tell. */
export function failureStatus(error: unknown): number {
  if (hasCode(error, 'Unsupported')) return 501;
  return hasCode(error, 'Unavailable', 'Throttled', 'Aborted') ? 503 : 500;
}

function podSummary({ ref, startTime, containers, network }: PodStats): PodSummary {
  const summaries = containers.map(containerSummary);
  const time = containers
    .map((container) => container.time)
    .sort(byTime)
    .at(-1);
  return {
    podRef: { name: ref.name, namespace: ref.namespace, uid: ref.uid },
    startTime: startTime ?? null,
    containers: summaries,
    ...(time === undefined ? {} : sums(summaries, time)),
    ...(network === undefined ? {} : { network }),
  };
}

function containerSummary({ name, time, startTime, cpu, memory, rootfs }: ContainerStats): ContainerSummary {
  return {
    name,
    startTime: startTime ?? null,
    ...(cpu === undefined ? {} : { cpu: { time, ...cpu } }),
    ...(memory === undefined ? {} : { memory: { time, ...memory } }),
    ...(rootfs === undefined ? {} : { rootfs: { time, ...rootfs } }),
  };
}

const CPU_FIGURES = ['usageNanoCores', 'usageCoreNanoSeconds'] as const;
const MEMORY_FIGURES = ['usageBytes', 'workingSetBytes', 'rssBytes'] as const;

/** A figure that one of the parts lacks is not known of the whole. */
function sums(parts: readonly Measured[], time: string): { readonly cpu: Cpu; readonly memory: Memory } {
  const cpu: { time: string } & Partial<Record<(typeof CPU_FIGURES)[number], number>> = { time };
  const memory: { time: string } & Partial<Record<(typeof MEMORY_FIGURES)[number], number>> = { time };
  for (const figure of CPU_FIGURES) {
    const sum = total(parts.map((part) => part.cpu?.[figure]));
    if (sum !== undefined) cpu[figure] = sum;
  }
  for (const figure of MEMORY_FIGURES) {
    const sum = total(parts.map((part) => part.memory?.[figure]));
    if (sum !== undefined) memory[figure] = sum;
  }
  return { cpu, memory };
}

function total(figures: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const figure of figures) {
    if (figure === undefined) return undefined;
    sum += figure;
  }
  return sum;
}

function byTime(a: string, b: string): number {
  return Date.parse(a) - Date.parse(b);
}

/** CPU time of the node. Pods come and go, and a counter must not fall: what was added stays. */
function createNodeCounter(): { add(pods: readonly PodStats[], nowMs: number): number } {
  let sum = 0;
  let known: ReadonlyMap<string, number> = new Map();
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    add(pods, nowMs) {
      const seen = new Map<string, number>();
      for (const { ref, containers } of pods) {
        for (const { name, startTime, cpu } of containers) {
          const used = cpu?.usageCoreNanoSeconds;
          if (used === undefined) continue;
          const key = `${ref.uid}/${name}`;
          const before = known.get(key);
          seen.set(key, used);
          if (before !== undefined && used >= before) sum += used - before;
          // Another run of it, or one that nobody had seen: what it used before the last look was counted, or missed.
          else if (startTime !== undefined && Date.parse(startTime) >= lastMs) sum += used;
        }
      }
      known = seen;
      lastMs = nowMs;
      return sum;
    },
  };
}
