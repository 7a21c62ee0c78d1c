/**
 * What simulated pods are said to use: each running container exactly what it requests, all the time, or a millicore
 * and a mebibyte where it requests nothing. The same pod always says the same, and sums can be done in the head.
 */
import type { Container } from '../../src/kube/types.ts';
import type { ContainerStats, PodStats } from '../../src/provider/contract.ts';
import { quantityMilliValue, quantityValue } from '../../src/quantity.ts';
import type { SimulatedContainer, SimulatedPod } from './pod.ts';

/** Not nothing: metrics-server leaves out a pod with a container that uses nothing. */
const IDLE_MILLICORES = 1;
const IDLE_BYTES = 1024 * 1024;

export function usageOf(pod: SimulatedPod, nowMs: number): PodStats {
  return {
    ref: pod.ref,
    startTime: pod.startTime,
    containers: pod.containers.flatMap((container) => containerUsage(container, nowMs) ?? []),
  };
}

function containerUsage({ name, state, resources }: SimulatedContainer, nowMs: number): ContainerStats | undefined {
  const startTime = state.running?.startedAt;
  if (startTime === undefined) return undefined;
  const requests = requested(resources);
  const nanoCores = (requests.cpu === undefined ? IDLE_MILLICORES : quantityMilliValue(requests.cpu)) * 1_000_000;
  const bytes = requests.memory === undefined ? IDLE_BYTES : quantityValue(requests.memory);
  const seconds = Math.max(0, (nowMs - Date.parse(startTime)) / 1000);
  return {
    name,
    time: new Date(nowMs).toISOString(),
    startTime,
    cpu: { usageNanoCores: nanoCores, usageCoreNanoSeconds: Math.round(nanoCores * seconds) },
    memory: { usageBytes: bytes, workingSetBytes: bytes, rssBytes: bytes },
  };
}

/** A limit without a request is a request too. */
function requested(resources: Container['resources']): Record<string, string> {
  return { ...resources?.limits, ...resources?.requests };
}
