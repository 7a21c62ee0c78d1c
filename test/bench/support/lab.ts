/** What every benchmark stands on: a real control plane of its own, a client of it, and a folder for logs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, sleep, systemRandom } from '../../../src/clock.ts';
import { waitFor } from '../../../src/commands/demo/wait-for.ts';
import { hasCode } from '../../../src/errors.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import { connect } from '../../../src/kube/connect.ts';
import { NAMESPACES as NAMESPACE_KIND } from '../../../src/kube/resources.ts';
import type { Transport } from '../../../src/kube/transport.ts';
import { startControlPlane } from '../../kubernetes/control-plane.ts';
import { type Sample, samplesOf } from '../../support/prometheus-text.ts';
import { createPod, deletePod, NAMESPACES } from './bench-pods.ts';
import type { BenchContext } from './benchmark.ts';

export interface Lab extends AsyncDisposable {
  readonly folder: string;
  readonly kubeconfig: string;
  readonly client: KubeClient;
  /** What the client sends over; floors are measured on it. */
  readonly transport: Transport;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly zonelet: readonly string[];
  say(line: string): void;
  /** Another number at every call: for names. */
  unique(): number;
  /** Throws `Aborted` when the benchmark is ended meanwhile. */
  pause(ms: number): Promise<void>;
  until(what: string, holds: () => boolean | Promise<boolean>, limitMs?: number): Promise<void>;
  /** The API server's own count of requests, by verb, resource and subresource. */
  apiRequests(): Promise<Sample[]>;
}

/** Above what anything here takes on a loaded machine. */
const LIMIT_MS = 120_000;

export async function openLab(context: BenchContext): Promise<Lab> {
  const { clock, signal, say, zonelet } = context;
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-bench-'));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  say('starting a control plane');
  const controlPlane = undo.use(await startControlPlane({ folder: join(folder, 'control-plane') }));
  const { kubeconfig } = controlPlane;
  const { client, transport } = undo.use(await connect({ kubeconfig, env: process.env, clock }));
  let number = 0;
  const lab: Omit<Lab, typeof Symbol.asyncDispose> = {
    folder,
    kubeconfig,
    client,
    transport,
    clock,
    signal,
    zonelet,
    say,
    unique: () => ++number,
    async pause(ms) {
      await sleep(clock, ms, signal);
      signal.throwIfAborted();
    },
    until: (what, holds, limitMs = LIMIT_MS) => waitFor(what, holds, { clock, limitMs, signal }),
    async apiRequests() {
      const { body } = await transport.request({ method: 'GET', path: '/metrics', timeoutMs: 30_000 });
      return samplesOf(body, 'apiserver_request_total');
    },
  };
  await prepareNamespaces(lab);
  const opened = undo.move();
  return { ...lab, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Resolves once each takes pods, which is when its ServiceAccount is there and known. */
async function prepareNamespaces({
  client,
  transport,
  until,
}: Pick<Lab, 'client' | 'transport' | 'until'>): Promise<void> {
  for (const name of NAMESPACES) {
    try {
      await client.create(NAMESPACE_KIND, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    } catch (error) {
      if (!hasCode(error, 'Conflict')) throw error;
    }
    const probe = { namespace: name, name: `probe-${systemRandom.uuid().slice(0, 8)}` };
    await until(`namespace ${name}`, async () => {
      await createPod(transport, probe, 'bench-nowhere');
      return true;
    });
    await deletePod(transport, probe, 'force');
  }
}
