/** `pods/log`: passed on to the kubelet of the pod's node. Source: pkg/registry/core/pod/strategy.go (LogLocation). */
import type { IncomingMessage } from 'node:http';
import type { Node, Pod } from '../../kube/types.ts';
import { badRequest, Failure, internal, notFound } from './failure.ts';
import type { CoreRequest, CoreResponse, ServerContext } from './server-context.ts';

export interface KubeletDialer {
  /** GETs a path of the kubelet API there. Throws when it cannot be reached. */
  get(host: string, port: number, pathAndQuery: string, signal: AbortSignal): Promise<KubeletAnswer>;
  /** Passes a client's upgrade on, and then every byte both ways until either side ends. Throws as `get`, with nothing answered yet. */
  upgrade(
    to: KubeletUpgrade,
    incoming: IncomingMessage,
    /** Called when the client's connection is in use from now on. */
    taken: () => void,
  ): Promise<void>;
}

export interface KubeletUpgrade {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export interface KubeletAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** Which address of a node is dialled: `--kubelet-preferred-address-types` as usually set. */
const ADDRESS_TYPES = ['InternalIP', 'Hostname', 'ExternalIP'];
/** The query that the kubelet understands; `container` goes into the path. */
const PASSED_ON = [
  'follow',
  'previous',
  'sinceSeconds',
  'sinceTime',
  'timestamps',
  'tailLines',
  'limitBytes',
  'stream',
];

export async function podLogs(server: ServerContext, pod: Pod, request: CoreRequest): Promise<CoreResponse> {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const container = containerOf(pod, request.query.container ?? '');
  const nodeName = pod.spec?.nodeName ?? '';
  // A pod that is nowhere yet has no output: an empty answer, as the API server gives it.
  if (nodeName === '') return { status: 204, headers: {}, body: '' };
  const { host, port } = kubeletOf(server, nodeName);
  if (server.kubelets === undefined) throw internal('this API server has no way to kubelets');

  const query = new URLSearchParams();
  for (const key of PASSED_ON) {
    const value = request.query[key];
    if (value !== undefined && value !== 'false') query.set(key, value);
  }
  const path = `/containerLogs/${[namespace, name, container].map(encodeURIComponent).join('/')}`;
  const search = query.size === 0 ? '' : `?${query.toString()}`;
  let answer: KubeletAnswer;
  try {
    answer = await server.kubelets.get(host, port, `${path}${search}`, request.signal);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw internal(`Get "https://${host}:${port}${path}${search}": ${reason}`);
  }
  if (answer.status < 200 || answer.status > 299) throw await refused(answer, `${namespace}/${name}/${container}`);
  return { status: 200, headers: { 'content-type': 'text/plain' }, body: answer.chunks };
}

/** Where the kubelet API of a node is. */
export function kubeletOf(server: ServerContext, nodeName: string): { readonly host: string; readonly port: number } {
  const stored = server.store.collection('nodes').get(nodeName);
  if (stored === undefined) throw notFound({ group: '', resource: 'nodes' }, nodeName);
  const { status } = stored.object as Node;
  const address = ADDRESS_TYPES.map((type) => status?.addresses?.find((one) => one.type === type)).find(Boolean);
  if (address === undefined) throw internal(`no preferred addresses found; known addresses: []`);
  // The field's name in JSON is upper case, alone in all of the API.
  const port = (status?.daemonEndpoints?.kubeletEndpoint as { Port?: number } | undefined)?.Port ?? 0;
  return { host: address.address, port: port === 0 ? 10250 : port };
}

export function containerOf({ spec, metadata }: Pod, wanted: string): string {
  const inits = (spec?.initContainers ?? []).map(({ name }) => name);
  const mains = (spec?.containers ?? []).map(({ name }) => name);
  const pod = metadata?.name ?? '';
  if (wanted !== '') {
    if ([...inits, ...mains].includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${pod}`);
  }
  const [only] = mains;
  if (only !== undefined && mains.length === 1) return only;
  const choices =
    inits.length === 0
      ? `choose one of: [${mains.join(' ')}]`
      : `choose one of: [${mains.join(' ')}] or one of the init containers: [${inits.join(' ')}]`;
  throw badRequest(`a container name must be specified for pod ${pod}, ${choices}`);
}

/** What a kubelet refuses becomes the answer, with its text. */
async function refused({ status, chunks }: KubeletAnswer, what: string): Promise<Failure> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  const text = Buffer.concat(parts).toString('utf8').trim();
  if (status === 400) return badRequest(text);
  if (status === 404) {
    return new Failure(404, 'NotFound', `the server could not find the requested resource ( pods/log ${what})`, {
      causes: [{ reason: 'UnexpectedServerResponse', message: text }],
    });
  }
  return internal(text === '' ? `the kubelet answered ${status}` : text);
}
