/** From credentials to a client: what every command begins with. */
import type { Clock } from '../clock.ts';
import { type Logger, silentLogger } from '../log.ts';
import type { ApiMetrics } from '../metrics/api.ts';
import { createKubeClient } from './api-client.ts';
import type { KubeClient } from './client.ts';
import { loadCredentials } from './credentials.ts';
import { createHttpTransport } from './http-transport.ts';
import type { Transport } from './transport.ts';
import { tellWarnings } from './warnings.ts';

export interface ConnectOptions {
  /** Path of a kubeconfig. @defaultValue the pod's ServiceAccount, else $KUBECONFIG, else ~/.kube/config */
  readonly kubeconfig?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly metrics?: ApiMetrics;
  readonly log?: Logger;
}

export interface Connection extends AsyncDisposable {
  readonly client: KubeClient;
  readonly transport: Transport;
  /** URL of the API server. */
  readonly server: string;
  /** The pod's own namespace; undefined outside a cluster. */
  readonly namespace: string | undefined;
}

/**
 * Throws `InvalidInput` when there are no credentials or a kubeconfig has a mistake (the message names the file), and
 * `Unauthorized` when a credential plugin refuses. The API server itself is not asked anything yet.
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { kubeconfig, env, clock, metrics, log = silentLogger } = options;
  const credentials = await loadCredentials({ ...(kubeconfig === undefined ? {} : { kubeconfig }), env, clock, log });
  const { server, identity, namespace, source } = credentials;
  log.debug({ server, source }, 'credentials found');
  const transport = createHttpTransport({ server, identity, clock, ...(metrics === undefined ? {} : { metrics }) });
  return {
    client: createKubeClient({ transport, clock, log, onWarning: tellWarnings(log, metrics) }),
    transport,
    server,
    namespace,
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  };
}
