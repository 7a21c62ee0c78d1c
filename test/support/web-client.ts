/** Short words for what a leader does with a backend of the web protocol. */

import type { WebOptions } from '../../providers/web/options.ts';
import { createWebProvider } from '../../providers/web/provider.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import type { Container, Pod } from '../../src/kube/types.ts';
import { silentLogger } from '../../src/log.ts';
import type { BackendPod, Operation, Provider, ResolvedPod } from '../../src/provider/contract.ts';

export const OWNER = '5f1b7c3e-0000-4000-8000-000000000001/demo';
export const PATIENCE_MS = 15_000;

export function connectTo(options: WebOptions): Provider {
  const context = { zone: 'zone-a', clock: systemClock, random: systemRandom, log: silentLogger };
  return createWebProvider(options, context);
}

export function operation(change: Partial<Operation> = {}): Operation {
  return {
    owner: OWNER,
    zone: 'zone-a',
    epoch: 1,
    holder: 'replica-0',
    signal: new AbortController().signal,
    timeoutMs: PATIENCE_MS,
    attempt: 1,
    ...change,
  };
}

export function reading() {
  return { signal: new AbortController().signal, timeoutMs: PATIENCE_MS };
}

export function podOf(uid: string, container: Partial<Container> = {}, spec: Partial<Pod['spec']> = {}): ResolvedPod {
  const pod: Pod = {
    metadata: { uid, namespace: 'default', name: `pod-${uid}` },
    spec: { ...spec, containers: [{ name: 'main', image: 'registry.example/app:1', ...container }] },
  };
  return {
    ref: { uid, namespace: 'default', name: `pod-${uid}` },
    pod,
    env: {},
    volumes: {},
    pullSecrets: [],
    hash: 'hash-1',
  };
}

export async function eventually<T>(what: string, find: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await find();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`it did not come to pass that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function read(provider: Provider, uid: string): Promise<BackendPod | undefined> {
  return await provider.get(OWNER, podOf(uid).ref, reading());
}

export async function logOf(provider: Provider, uid: string, timestamps = false, container = 'main'): Promise<string> {
  const options = { follow: false, previous: false, timestamps };
  const chunks: Uint8Array[] = [];
  const stream = await provider.logs?.(OWNER, podOf(uid).ref, container, options, new AbortController().signal);
  for await (const chunk of stream ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
