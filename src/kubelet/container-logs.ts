/** `GET /containerLogs/{namespace}/{pod}/{container}`: a provider's log stream as the kubelet would answer it. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { ContainerState, Pod } from '../kube/types.ts';
import type { BackendPod, LogOptions, PodRef } from '../provider/contract.ts';
import { drained } from './drained.ts';
import { parseLogRequest } from './log-request.ts';
import { lookUpPod, type Pods } from './pod-lookup.ts';

/** The guarded reads of a provider, for one owner. */
export interface LogSource {
  get(ref: PodRef, signal: AbortSignal): Promise<BackendPod | undefined>;
  logs(ref: PodRef, container: string, options: LogOptions, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

export interface LogAnswer {
  readonly status: number;
  readonly message: string;
}

export type OpenedLogs =
  | { readonly ok: true; readonly stream: AsyncIterable<Uint8Array>; readonly limitBytes: number }
  | ({ readonly ok: false } & LogAnswer);

export interface LogQuestion {
  readonly namespace: string;
  readonly podName: string;
  readonly container: string;
  readonly query: URLSearchParams;
}

export async function openLogs(
  { namespace, podName, container, query }: LogQuestion,
  pods: Pods,
  source: LogSource,
  clock: Clock,
  signal: AbortSignal,
): Promise<OpenedLogs> {
  const request = parseLogRequest(query, clock.now());
  if (!request.ok) return request;
  const found = lookUpPod({ namespace, podName, container }, pods);
  if (!found.ok) return found;
  const { pod, ref } = found;
  const of = `container ${quoted(container)} in pod ${quoted(podName)}`;
  const { options } = request;
  try {
    if (!options.previous) {
      const waiting = await notStarted(pod, ref, container, source, signal);
      if (waiting !== undefined) return refused(400, `${of} ${waiting}`);
    }
    const stream = await source.logs(ref, container, options, signal);
    return { ok: true, stream, limitBytes: options.limitBytes ?? Number.POSITIVE_INFINITY };
  } catch (error) {
    if (hasCode(error, 'NotFound')) {
      return refused(400, options.previous ? `previous terminated ${of} not found` : `${of} is not available`);
    }
    if (hasCode(error, 'Unsupported')) return refused(501, messageOf(error));
    if (hasCode(error, 'InvalidInput')) return refused(400, messageOf(error));
    if (hasCode(error, 'Unavailable', 'Throttled', 'Aborted')) {
      return refused(503, `the backend cannot give the logs of ${of} now: ${messageOf(error)}`);
    }
    return refused(500, `reading the logs of ${of} failed: ${messageOf(error)}`);
  }
}

/** The kubelet's limit for idle streams: who looks at a log in a pager may take their time. */
const STALLED_MS = 4 * 3_600_000;

/** Writes no faster than the client reads; gives up when it goes. Throws what the stream throws. */
export async function pour(
  stream: AsyncIterable<Uint8Array>,
  limitBytes: number,
  response: ServerResponse,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const patience = { clock, limitMs: STALLED_MS, signal };
  let left = limitBytes;
  for await (const chunk of stream) {
    if (signal.aborted) return;
    // The provider keeps the limit; one that does not must not flood the client.
    const part = chunk.byteLength <= left ? chunk : chunk.subarray(0, left);
    left -= part.byteLength;
    if (!response.write(part)) await drained(response, patience);
    if (left <= 0) return;
  }
}

/** Why there is no log yet, in the kubelet's words (validateContainerLogStatus in pkg/kubelet/kubelet_pods.go). */
async function notStarted(
  pod: Pod,
  ref: PodRef,
  container: string,
  source: LogSource,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  const published = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses].find(
    ({ name }) => name === container,
  );
  if (hasStarted(published?.state, published?.lastState)) return undefined;
  // What was published may be behind: the backend has the last word.
  const backend = await source.get(ref, signal);
  const seen = backend?.observation.containers.find(({ name }) => name === container);
  if (hasStarted(seen?.state, seen?.lastState)) return undefined;
  const waiting = seen?.state.waiting ?? published?.state?.waiting;
  if (waiting === undefined) return 'is not available';
  const { reason = 'ContainerCreating' } = waiting;
  return `is waiting to start: ${IMAGE_TROUBLE[reason] ?? reason}`;
}

const IMAGE_TROUBLE: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

function hasStarted(state: ContainerState | undefined, lastState: ContainerState | undefined): boolean {
  return state?.running !== undefined || state?.terminated !== undefined || lastState?.terminated !== undefined;
}

function refused(status: number, message: string): OpenedLogs {
  return { ok: false, status, message };
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
