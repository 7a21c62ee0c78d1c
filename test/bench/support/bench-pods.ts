/**
 * The pods of benchmarks: ordinary ones, which get the ServiceAccount's token volume and default tolerations by
 * admission, bound to their node from the start so that no scheduler is measured. Requests go over the bare transport.
 */
import { ApiError } from '../../../src/kube/client.ts';
import { PODS, resourcePath } from '../../../src/kube/resources.ts';
import type { ApiRequest, Transport } from '../../../src/kube/transport.ts';
import type { Pod } from '../../../src/kube/types.ts';

/** Kubernetes is tested up to 3,000 pods in a namespace; so that ten thousand stay below it, they are spread. */
export const NAMESPACES = ['bench-0', 'bench-1', 'bench-2', 'bench-3'];

export interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/** `count` names, spread over the namespaces. */
export function podNames(prefix: string, count: number): PodName[] {
  return Array.from({ length: count }, (_, i) => ({
    namespace: NAMESPACES[i % NAMESPACES.length] ?? '',
    name: `${prefix}-${i}`,
  }));
}

export function benchPod({ namespace, name }: PodName, nodeName: string): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'bench' } },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 1,
      tolerations: [{ key: 'virtual-kubelet.io/provider', operator: 'Exists' }],
      containers: [
        {
          name: 'main',
          image: 'registry.example/bench:1',
          resources: { requests: { cpu: '10m', memory: '16Mi' } },
        },
      ],
    },
  };
}

/** Well above what a saturated API server takes. */
const TIMEOUT_MS = 60_000;

async function send(transport: Transport, request: Omit<ApiRequest, 'timeoutMs'>): Promise<string> {
  const { status, body } = await transport.request({ ...request, timeoutMs: TIMEOUT_MS });
  if (status >= 200 && status <= 299) return body;
  throw new ApiError('Internal', status, { message: `${request.method} ${request.path}: ${status} ${body}` });
}

/** The UID of the new pod. */
export async function createPod(transport: Transport, at: PodName, nodeName: string): Promise<string> {
  const answer = await send(transport, {
    method: 'POST',
    path: resourcePath(PODS, { namespace: at.namespace }),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(benchPod(at, nodeName)),
  });
  const { metadata } = JSON.parse(answer) as Pod;
  return metadata?.uid ?? '';
}

/** A status of the size that a replica writes. `podIP` makes it another one. */
export async function patchStatus(transport: Transport, at: PodName, uid: string, podIP: string): Promise<void> {
  const now = `${new Date().toISOString().slice(0, 19)}Z`;
  const condition = (type: string) => ({ type, status: 'True', lastTransitionTime: now });
  await send(transport, {
    method: 'PATCH',
    path: resourcePath(PODS, { ...at, subresource: 'status' }),
    headers: { 'content-type': 'application/merge-patch+json' },
    body: JSON.stringify({
      metadata: { uid },
      status: {
        phase: 'Running',
        startTime: now,
        hostIP: '127.0.0.1',
        hostIPs: [{ ip: '127.0.0.1' }],
        podIP,
        podIPs: [{ ip: podIP }],
        conditions: ['PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready', 'PodScheduled'].map(
          condition,
        ),
        containerStatuses: [
          {
            name: 'main',
            image: 'registry.example/bench:1',
            imageID: '',
            containerID: `bench://${uid}/main`,
            ready: true,
            started: true,
            restartCount: 0,
            state: { running: { startedAt: now } },
          },
        ],
      },
    }),
  });
}

/** `force`: out of the API at once; else the node has to end it. */
export async function deletePod(transport: Transport, at: PodName, how: 'force' | 'graceful'): Promise<void> {
  await send(transport, {
    method: 'DELETE',
    path: resourcePath(PODS, at),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...(how === 'force' ? { gracePeriodSeconds: 0 } : {}),
    }),
  });
}
