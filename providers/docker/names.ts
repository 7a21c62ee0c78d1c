/** What the provider's objects on an engine are called, and the labels by which they are found again. */
import { createHash } from 'node:crypto';
import type { Fence, PodRef, ResolvedPod } from '../../src/provider/contract.ts';

export const LABEL = {
  owner: 'zonelet.dev/owner',
  zone: 'zonelet.dev/zone',
  namespace: 'zonelet.dev/namespace',
  pod: 'zonelet.dev/pod',
  uid: 'zonelet.dev/uid',
  /** `sandbox`, `container`, `init` or `sidecar`; of a volume `files`, `memory`, `revision` or `stop`. */
  role: 'zonelet.dev/role',
  container: 'zonelet.dev/container',
  /** 0 for the first run. */
  attempt: 'zonelet.dev/attempt',
  /** The image as the pod names it. */
  image: 'zonelet.dev/image',
  /** Milliseconds to wait after this run's end before the next. */
  backOff: 'zonelet.dev/back-off-ms',
  terminationMessage: 'zonelet.dev/termination-message',
  epoch: 'zonelet.dev/epoch',
  hash: 'zonelet.dev/hash',
  /** Of a revision: its number. */
  revision: 'zonelet.dev/revision',
  /** Of a stop: when what still runs is killed, milliseconds since the epoch. */
  killAt: 'zonelet.dev/kill-at-ms',
} as const;

export type Role = 'sandbox' | 'container' | 'init' | 'sidecar';

/** Two owners may share an engine, and an owner's zones too. */
export function podPrefix(owner: string, zone: string, uid: string): string {
  const whose = createHash('sha256').update(`${owner}\0${zone}`).digest('hex').slice(0, 10);
  const safe = /^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$/.test(uid) ? uid : createHash('sha256').update(uid).digest('hex');
  return `zonelet-${whose}-${safe}`;
}

export const sandboxName = (prefix: string): string => `${prefix}_POD`;
export const runName = (prefix: string, container: string, attempt: number): string =>
  `${prefix}_${container}_${attempt}`;
export const filesVolume = (prefix: string): string => `${prefix}_files`;
export const memoryVolume = (prefix: string, volume: string): string => `${prefix}_memory_${volume}`;
export const revisionVolume = (prefix: string, revision: number): string => `${prefix}_revision_${revision}`;
export const stopVolume = (prefix: string, killAtMs: number): string => `${prefix}_stop_${killAtMs}`;

export function podLabels(owner: string, zone: string, ref: PodRef): Record<string, string> {
  return {
    [LABEL.owner]: owner,
    [LABEL.zone]: zone,
    [LABEL.namespace]: ref.namespace,
    [LABEL.pod]: ref.name,
    [LABEL.uid]: ref.uid,
  };
}

export function writerLabels({ epoch }: Fence, { hash }: Pick<ResolvedPod, 'hash'>): Record<string, string> {
  return { [LABEL.epoch]: String(epoch), [LABEL.hash]: hash };
}

/** The engine's `filters` for everything that has these labels. */
export function labelled(labels: Readonly<Record<string, string>>): string {
  const label = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return encodeURIComponent(JSON.stringify({ label }));
}
