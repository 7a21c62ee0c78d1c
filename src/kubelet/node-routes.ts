/** The paths of the kubelet API that are about the node as a whole: its pods and what they use. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { BackendPod, PodStats } from '../provider/contract.ts';
import { drained, type Patience } from './drained.ts';
import { podList, runningPods } from './pod-lists.ts';
import type { RequestTarget } from './request-target.ts';
import { RESOURCE_METRICS_TYPE, resourceMetrics } from './resource-metrics.ts';
import { createUsage, failureStatus, onlyCpuAndMemory } from './summary.ts';

/** The guarded reads of a provider, for one owner, and the pods that the API has bound to the node. */
export interface NodeSource {
  /** Throws while they are not known. */
  pods(): readonly Pod[];
  list(signal: AbortSignal): Promise<{ readonly pods: readonly BackendPod[]; readonly complete: boolean }>;
  stats(signal: AbortSignal): Promise<readonly PodStats[]>;
}

export interface NodeRoutesOptions {
  readonly nodeName: string;
  readonly source: NodeSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends what is being asked of the backend. */
  readonly signal: AbortSignal;
}

export type NodeRoute = (response: ServerResponse, target: RequestTarget) => Promise<void>;

/** By path. */
export function createNodeRoutes(options: NodeRoutesOptions): ReadonlyMap<string, NodeRoute> {
  const { nodeName, source, clock, log, signal } = options;
  const patience = { clock, limitMs: STALLED_MS };
  const usage = createUsage({ nodeName, pods: () => source.pods(), stats: () => source.stats(signal), clock });

  return new Map<string, NodeRoute>([
    [
      '/pods',
      async (response) => {
        let pods: readonly Pod[];
        try {
          pods = source.pods();
        } catch (error) {
          return await fail(response, failureStatus(error), messageOf(error));
        }
        await write(response, patience, JSON_TYPE, podList(pods));
      },
    ],
    [
      '/runningpods',
      async (response) => {
        let listed: Awaited<ReturnType<NodeSource['list']>>;
        try {
          listed = await source.list(signal);
        } catch (error) {
          return await fail(response, failureStatus(error), `the backend cannot list its pods: ${messageOf(error)}`);
        }
        if (!listed.complete) return await fail(response, 503, 'the backend cannot list all of its pods now');
        await write(response, patience, JSON_TYPE, podList(runningPods(listed.pods)));
      },
    ],
    [
      '/stats/summary',
      async (response, { query }) => {
        try {
          const summary = await usage.summary();
          const told = isTrue(query.get('only_cpu_and_memory')) ? onlyCpuAndMemory(summary) : summary;
          await write(response, patience, JSON_TYPE, [`${JSON.stringify(told, undefined, 1)}\n`]);
        } catch (error) {
          await fail(response, failureStatus(error), `the usage of ${nodeName} cannot be told: ${messageOf(error)}`);
        }
      },
    ],
    [
      '/metrics/resource',
      async (response) => {
        const summary = await usage.summary().catch((error: unknown) => {
          // A scrape that answers nothing else says so in its own metric, as the kubelet's does.
          log.debug({ error: messageOf(error) }, 'the usage of the node cannot be told');
          return undefined;
        });
        await write(response, patience, RESOURCE_METRICS_TYPE, [resourceMetrics(summary)]);
      },
    ],
  ]);
}

/** Nobody has such an answer open to read at leisure. */
const STALLED_MS = 60_000;
const JSON_TYPE = 'application/json';

function isTrue(text: string | null): boolean {
  return text !== null && ['1', 't', 'true'].includes(text.toLowerCase());
}

async function fail(response: ServerResponse, status: number, message: string): Promise<void> {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' });
  response.end(message);
}

/** No faster than the client reads. */
async function write(
  response: ServerResponse,
  patience: Patience,
  type: string,
  pieces: Iterable<string>,
): Promise<void> {
  response.writeHead(200, { 'content-type': type, 'x-content-type-options': 'nosniff' });
  for (const piece of pieces) {
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response, patience);
  }
  response.end();
}
