/**
 * Looks over what a provider hands in before the rest of the program believes it.
 * What is broken is named; what would only make the API server refuse a status (a date that is none) is left out.
 */
import type { ContainerState } from '../kube/types.ts';
import type { BackendPod, ContainerObservation, PodObservation } from './contract.ts';
import { isName, isRecord, isTime, typeName } from './received-values.ts';

export interface Expected {
  readonly owner: string;
  readonly zone: string;
  /** Undefined: any pod of this owner and zone. */
  readonly uid?: string;
}

export type Received =
  | { readonly kind: 'good'; readonly pod: BackendPod }
  /** Whole, and not ours: another owner's, or another zone's. */
  | { readonly kind: 'foreign'; readonly what: string }
  | { readonly kind: 'broken'; readonly what: string };

export function receivedPod(value: unknown, expected: Expected): Received {
  const what = brokenField(value);
  if (what !== undefined) return { kind: 'broken', what };
  const pod = value as BackendPod;
  if (pod.owner !== expected.owner)
    return {
      kind: 'foreign',
      what: `pod ${pod.ref.uid} has the owner ${pod.owner}`,
    };
  if (pod.zone !== expected.zone)
    return {
      kind: 'foreign',
      what: `pod ${pod.ref.uid} is of the zone ${pod.zone}`,
    };
  if (expected.uid !== undefined && pod.ref.uid !== expected.uid) {
    return {
      kind: 'broken',
      what: `asked for pod ${expected.uid}, got ${pod.ref.uid}`,
    };
  }
  const observation = cleanObservation(pod.observation);
  return {
    kind: 'good',
    pod: observation === pod.observation ? pod : { ...pod, observation },
  };
}

/** The observation itself when nothing is wrong with it, else a copy without what is; `undefined` when it is no observation. */
export function receivedObservation(value: unknown): PodObservation | undefined {
  return brokenObservation(value) === undefined ? cleanObservation(value as PodObservation) : undefined;
}

function brokenField(value: unknown): string | undefined {
  if (!isRecord(value)) return `a pod is ${typeName(value)}`;
  const { ref } = value;
  if (!isRecord(ref) || !isName(ref.uid) || !isName(ref.namespace) || !isName(ref.name)) {
    return 'ref lacks uid, namespace or name';
  }
  const of = `pod ${ref.uid as string}:`;
  for (const field of ['owner', 'zone', 'hash', 'handle'] as const) {
    if (typeof value[field] !== 'string') return `${of} ${field} is ${typeName(value[field])}`;
  }
  if (!Number.isSafeInteger(value.epoch)) return `${of} epoch is no integer`;
  if (typeof value.deleting !== 'boolean') return `${of} deleting is ${typeName(value.deleting)}`;
  const observation = brokenObservation(value.observation);
  return observation === undefined ? undefined : `${of} observation${observation}`;
}

function brokenObservation(value: unknown): string | undefined {
  if (!isRecord(value)) return ` is ${typeName(value)}`;
  if (typeof value.reachable !== 'boolean') return `.reachable is ${typeName(value.reachable)}`;
  const { podIPs, containers } = value;
  if (!Array.isArray(podIPs) || !podIPs.every((ip) => typeof ip === 'string')) return '.podIPs is no list of strings';
  if (!Array.isArray(containers)) return `.containers is ${typeName(containers)}`;
  for (const container of containers as readonly unknown[]) {
    if (!isRecord(container) || !isName(container.name)) return '.containers has one without a name';
    const of = `.containers[${container.name as string}]`;
    const count = container.restartCount;
    if (!Number.isSafeInteger(count) || (count as number) < 0) return `${of}.restartCount is no count`;
    for (const field of ['state', 'lastState'] as const) {
      const state = container[field];
      if (state === undefined && field === 'lastState') continue;
      const what = brokenState(state);
      if (what !== undefined) return `${of}.${field} ${what}`;
    }
  }
  return undefined;
}

function brokenState(value: unknown): string | undefined {
  if (!isRecord(value)) return `is ${typeName(value)}`;
  const set = (['waiting', 'running', 'terminated'] as const).filter((name) => value[name] !== undefined);
  const one = set[0];
  if (set.length !== 1 || one === undefined) return 'is not exactly one of waiting, running and terminated';
  if (!isRecord(value[one])) return `has a ${one} that is ${typeName(value[one])}`;
  if (one === 'terminated' && !Number.isSafeInteger(value[one].exitCode)) return 'has a terminated without exitCode';
  return undefined;
}

function cleanObservation(observation: PodObservation): PodObservation {
  const { startTime, phase, events } = observation;
  let clean = observation;
  if (events !== undefined && !(Array.isArray(events) && events.every(isHappening))) clean = omit(clean, 'events');
  if (startTime !== undefined && !isTime(startTime)) clean = omit(clean, 'startTime');
  if (phase !== undefined && phase !== 'Failed' && phase !== 'Succeeded') clean = omit(clean, 'phase');
  if (observation.containers.some((container) => cleanContainer(container) !== container)) {
    clean = {
      ...clean,
      containers: observation.containers.map(cleanContainer),
    };
  }
  return clean;
}

function isHappening(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { number, type, reason, message } = value;
  if (!Number.isSafeInteger(number) || (type !== 'Normal' && type !== 'Warning')) return false;
  return typeof reason === 'string' && /^[A-Z]\w{0,63}$/.test(reason) && typeof message === 'string';
}

function cleanContainer(container: ContainerObservation): ContainerObservation {
  const state = cleanState(container.state);
  const lastState = container.lastState === undefined ? undefined : cleanState(container.lastState);
  if (state === container.state && lastState === container.lastState) return container;
  return {
    ...container,
    state,
    ...(lastState === undefined ? {} : { lastState }),
  };
}

function cleanState(state: ContainerState): ContainerState {
  const { running, terminated } = state;
  if (running?.startedAt !== undefined && !isTime(running.startedAt)) return { running: omit(running, 'startedAt') };
  if (terminated === undefined) return state;
  let clean = terminated;
  if (clean.startedAt !== undefined && !isTime(clean.startedAt)) clean = omit(clean, 'startedAt');
  if (clean.finishedAt !== undefined && !isTime(clean.finishedAt)) clean = omit(clean, 'finishedAt');
  return clean === terminated ? state : { terminated: clean };
}

function omit<T extends object, K extends keyof T>(from: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = from;
  return rest;
}
