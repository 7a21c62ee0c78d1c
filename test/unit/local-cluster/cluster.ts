/** An API server in this process, with time standing still. */
import { createKubeClient } from '../../../src/kube/api-client.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import type { Pod } from '../../../src/kube/types.ts';
import type { User } from '../../../src/local-cluster/api-server/auth/user.ts';
import {
  type ApiServerCore,
  type ApiServerCoreOptions,
  createApiServerCore,
} from '../../../src/local-cluster/api-server/core.ts';
import { createInProcessTransport } from '../../../src/local-cluster/api-server/in-process-transport.ts';
import { seededRandom, VirtualClock } from '../../support/virtual-clock.ts';

export interface Cluster {
  readonly clock: VirtualClock;
  readonly core: ApiServerCore;
  readonly client: KubeClient;
  as(user: User): KubeClient;
  /** A bare request, for what the client cannot say. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{
    status: number;
    headers: Readonly<Record<string, string>>;
    text: string;
    json: Record<string, unknown>;
  }>;
}

export function startCluster(options: Partial<ApiServerCoreOptions> = {}): Cluster {
  const clock = new VirtualClock();
  const core = createApiServerCore({ clock, random: seededRandom(1), clientCa: 'CLIENT CA', rootCa: 'CA', ...options });
  const clientFor = (user?: User): KubeClient =>
    createKubeClient({ transport: createInProcessTransport(core, user === undefined ? {} : { user }), clock });
  const transport = createInProcessTransport(core);
  return {
    clock,
    core,
    client: clientFor(),
    as: clientFor,
    async send(method, target, body, headers = {}) {
      const [path = '', search = ''] = target.split('?');
      const response = await transport.request({
        method: method as 'GET',
        path,
        query: Object.fromEntries(new URLSearchParams(search)),
        headers: { 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        timeoutMs: 10_000,
      });
      const isJson = response.headers['content-type'] === 'application/json';
      return {
        status: response.status,
        headers: response.headers,
        text: response.body,
        json: isJson ? (JSON.parse(response.body) as Record<string, unknown>) : {},
      };
    },
  };
}

export function pod(name: string, spec: Partial<NonNullable<Pod['spec']>> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'registry.example/app:1' }], ...spec },
  };
}
