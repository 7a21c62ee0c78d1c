/** From an empty stage to running pods, with an observer that keeps the score; and back, as if nothing had been there. */
import { access } from 'node:fs/promises';
import { Registry } from 'prom-client';
import type { Clock, Random } from '../../clock.ts';
import { hasCode, messageOf, ZoneletError } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { connect } from '../../kube/connect.ts';
import { createInformer } from '../../kube/informer.ts';
import { LEASES, NODES, PODS } from '../../kube/resources.ts';
import { silentLogger } from '../../log.ts';
import { apiMetrics } from '../../metrics/api.ts';
import { SET_LABEL } from '../../node/names.ts';
import { lastLines } from './child.ts';
import { type Observer, observe } from './observer.ts';
import type { Stage } from './stage.ts';
import { waitFor } from './wait-for.ts';
import { deploy, removeWorkload, WORKLOAD_SELECTOR, workload } from './workload.ts';

export interface Staging {
  readonly stage: Stage;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly pods: number;
  readonly signal: AbortSignal;
  /** How long each step up to running pods may take. @defaultValue 60000, far above what a machine needs */
  readonly limitMs?: number;
  say(line: string): void;
}

export interface Play extends AsyncDisposable {
  readonly client: KubeClient;
  readonly observer: Observer;
}

const LIMIT_MS = 60_000;

/** Resolves once all pods run. Throws `Unavailable`, with what the part last said, when one does not come up. */
export async function openPlay(options: Staging): Promise<Play> {
  const { stage, env, clock, random, signal, say, limitMs = LIMIT_MS } = options;
  const begun = clock.monotonic();
  const wait = (
    what: string,
    holds: () => boolean | Promise<boolean>,
    onChange?: Observer['onChange'],
  ): Promise<void> =>
    waitFor(what, holds, {
      clock,
      limitMs,
      signal,
      hopeless: () => deadPart(stage),
      ...(onChange === undefined ? {} : { onChange }),
    });
  await using undo = new AsyncDisposableStack();

  say(`starting ${stage.describe}`);
  stage.startBackends();
  stage.startCluster();
  await wait('the kubeconfig of the cluster', async () => {
    await access(stage.kubeconfig);
    return true;
  });
  stage.startReplicas();
  const connection = undo.use(await connect({ kubeconfig: stage.kubeconfig, env, clock, log: silentLogger }));
  const { client } = connection;
  await wait('the API server', () => answers(client));

  const life = new AbortController();
  // Nobody reads the demo's own metrics.
  const metrics = apiMetrics(new Registry());
  const informing = { client, clock, random, metrics, log: silentLogger };
  const nodes = createInformer({
    ...informing,
    resource: NODES,
    selection: { labelSelector: `${SET_LABEL}=${stage.set}` },
  });
  const pods = createInformer({
    ...informing,
    resource: PODS,
    selection: { namespace: stage.namespace, labelSelector: WORKLOAD_SELECTOR },
  });
  const informers = [nodes.run(life.signal), pods.run(life.signal)];
  undo.defer(async () => {
    life.abort();
    await Promise.all(informers);
  });
  const observer = undo.use(observe(nodes, pods, clock));
  await wait(
    'a Ready virtual node for each zone',
    () => observer.zones().filter(({ ready }) => ready).length === stage.zones.length,
    observer.onChange,
  );
  say(`${stage.zones.length} virtual nodes are Ready after ${Math.round(clock.monotonic() - begun)} ms`);
  await wait('the ServiceAccount of the namespace', () => deployed(client, options));
  await wait(`${options.pods} running pods`, () => observer.runningPods === options.pods, observer.onChange);
  say(`${options.pods} pods run on them after ${Math.round(clock.monotonic() - begun)} ms`);
  const opened = undo.move();
  return { client, observer, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/**
 * Removes what the demo has put on a cluster that outlives it, however far it came. Never throws: what could not be
 * removed is said.
 */
export async function clearCluster({ stage, env, clock, say }: Staging): Promise<void> {
  say('removing what the demo has put on the cluster');
  try {
    await using connection = await connect({ kubeconfig: stage.kubeconfig, env, clock, log: silentLogger });
    const { client } = connection;
    const { namespace } = stage;
    await removeWorkload(client, namespace);
    const empty = async (): Promise<boolean> =>
      (await client.list(PODS, { namespace, labelSelector: WORKLOAD_SELECTOR, limit: 1 })).items.length === 0;
    // The demo's own signal may be what brought us here.
    await waitFor('the end of all pods', empty, { clock, limitMs: LIMIT_MS, signal: new AbortController().signal });
    await stage.stopReplicas(clock);
    const leases = await client.list(LEASES, { namespace, labelSelector: `${SET_LABEL}=${stage.set}` });
    for (const { metadata } of leases.items) {
      await gone(client.delete(LEASES, { namespace, name: metadata?.name ?? '' }));
    }
    for (const { nodeName } of stage.zones) await gone(client.delete(NODES, { name: nodeName }));
  } catch (error) {
    say(`not everything could be removed: ${messageOf(error)}`);
  }
}

async function gone(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
}

async function answers(client: KubeClient): Promise<boolean> {
  await client.list(NODES, { limit: 1, timeoutMs: 2_000 });
  return true;
}

/** A cluster that has just started refuses pods for a moment, until the namespace has its ServiceAccount; a Deployment is taken. */
async function deployed(client: KubeClient, { stage, pods }: Staging): Promise<boolean> {
  await deploy(client, workload(stage.namespace, pods, stage.set));
  return true;
}

/** A part that has ended will not come up by waiting. */
function deadPart(stage: Stage): Error | undefined {
  const dead = stage.ended();
  if (dead === undefined) return undefined;
  return new ZoneletError('Internal', `${dead.name} has ended; it last said:\n${lastLines(dead, 12)}`);
}
