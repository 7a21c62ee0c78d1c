/** Looks over the usage that a provider hands in: what is no figure or no time is left out, what names no pod is named. */
import type { ContainerStats, PodStats } from './contract.ts';
import { isName, isRecord, isTime, typeName } from './received-values.ts';

/** Throws nothing; `odd` is told of each entry that is left out. */
export function receivedStats(given: readonly unknown[], odd: (what: string) => void): readonly PodStats[] {
  const pods: PodStats[] = [];
  const seen = new Set<string>();
  for (const value of given) {
    const pod = podStats(value, odd);
    if (pod === undefined) continue;
    if (seen.has(pod.ref.uid)) odd(`usage of pod ${pod.ref.uid} twice`);
    else pods.push(pod);
    seen.add(pod.ref.uid);
  }
  return pods;
}

function podStats(value: unknown, odd: (what: string) => void): PodStats | undefined {
  const ref = isRecord(value) ? value.ref : undefined;
  if (!isRecord(value) || !isRecord(ref) || !isName(ref.uid) || !isName(ref.namespace) || !isName(ref.name)) {
    odd('usage whose ref lacks uid, namespace or name');
    return undefined;
  }
  if (!Array.isArray(value.containers)) {
    odd(`usage of pod ${ref.uid}: containers is ${typeName(value.containers)}`);
    return undefined;
  }
  const containers = new Map<string, ContainerStats>();
  for (const one of value.containers as readonly unknown[]) {
    const container = containerStats(one);
    if (container === undefined) odd(`usage of pod ${ref.uid}: a container without name or time`);
    else containers.set(container.name, container);
  }
  const { network } = value;
  return {
    ref: { uid: ref.uid, namespace: ref.namespace, name: ref.name },
    ...time(value, 'startTime'),
    containers: [...containers.values()],
    ...(isRecord(network) && isTime(network.time)
      ? { network: { time: network.time, ...figures(network, ['rxBytes', 'rxErrors', 'txBytes', 'txErrors']) } }
      : {}),
  };
}

const CPU = ['usageNanoCores', 'usageCoreNanoSeconds'] as const;
const MEMORY = [
  'usageBytes',
  'workingSetBytes',
  'rssBytes',
  'availableBytes',
  'pageFaults',
  'majorPageFaults',
] as const;

function containerStats(value: unknown): ContainerStats | undefined {
  if (!isRecord(value) || !isName(value.name) || !isTime(value.time)) return undefined;
  const { cpu, memory, rootfs } = value;
  return {
    name: value.name,
    time: value.time,
    ...time(value, 'startTime'),
    ...(isRecord(cpu) ? { cpu: figures(cpu, CPU) } : {}),
    ...(isRecord(memory) ? { memory: figures(memory, MEMORY) } : {}),
    ...(isRecord(rootfs) ? { rootfs: figures(rootfs, ['usedBytes']) } : {}),
  };
}

function time<K extends string>(from: Record<string, unknown>, key: K): { readonly [key in K]?: string } {
  const value = from[key];
  return (isTime(value) ? { [key]: value } : {}) as { readonly [key in K]?: string };
}

/** Whole and not negative, as the API has them. */
function figures<K extends string>(
  from: Record<string, unknown>,
  keys: readonly K[],
): { readonly [key in K]?: number } {
  const found: { [key in K]?: number } = {};
  for (const key of keys) {
    const value = from[key];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) found[key] = Math.round(value);
  }
  return found;
}
