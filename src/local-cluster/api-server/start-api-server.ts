/** An API server that others can reach: HTTPS with a CA of its own, a kubeconfig, and perhaps a file that keeps it all. */
import { randomBytes } from 'node:crypto';
import type { Clock, Random } from '../../clock.ts';
import { holdPath } from '../../exclusive-path.ts';
import type { Transport } from '../../kube/transport.ts';
import type { Logger } from '../../log.ts';
import type { TolerationSettings } from './admission/default-tolerations.ts';
import { ADMIN } from './auth/user.ts';
import { type ApiServerCore, createApiServerCore } from './core.ts';
import { createInProcessTransport } from './in-process-transport.ts';
import { createCertificateAuthority, isUsable } from './server/certificate-authority.ts';
import { listen } from './server/http-server.ts';
import { type Identity, type Journal, openJournal, readJournal } from './server/journal.ts';
import { kubeconfigText, writeKubeconfig } from './server/kubeconfig.ts';
import { createKubeletDialer } from './server/kubelet-dialer.ts';
import type { StoreOptions } from './storage/store.ts';

export interface ApiServerOptions extends TolerationSettings {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Keeps objects, resourceVersions and credentials over a crash. @defaultValue memory only */
  readonly dataFile?: string;
  /** Where a kubeconfig with the admin's token is written once the server listens. */
  readonly kubeconfigFile?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly history?: Pick<StoreOptions, 'historyLimit' | 'historyMs'>;
}

export interface ApiServer extends AsyncDisposable {
  /** `https://HOST:PORT`. */
  readonly url: string;
  readonly port: number;
  /** PEM. */
  readonly ca: string;
  readonly adminToken: string;
  /** The kubeconfig's text. */
  readonly kubeconfig: string;
  readonly core: ApiServerCore;
  /** Calls it without sockets, as the admin: for what runs in the same process. */
  transport(): Transport;
}

export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { host, clock, log, dataFile } = options;
  await using started = new AsyncDisposableStack();
  if (dataFile !== undefined)
    started.use(await holdPath('local-cluster', dataFile, `another local cluster works on ${dataFile}`));
  const kept = dataFile === undefined ? undefined : readJournal(dataFile);
  const usable = kept?.identity !== undefined && isUsable(kept.identity.ca, clock.now()) ? kept.identity : undefined;
  const authority = await createCertificateAuthority(clock.now(), usable?.ca);
  const identity: Identity = usable ?? {
    ca: { certificate: authority.certificate, key: authority.key },
    adminToken: randomBytes(24).toString('base64url'),
    tokenSecret: randomBytes(24).toString('base64url'),
  };
  const [serving, kubeletClient] = await Promise.all([
    authority.issue({
      commonName: 'kube-apiserver',
      usage: 'server',
      names: [...new Set([host, 'localhost', '127.0.0.1', '::1', 'kubernetes', 'kubernetes.default.svc'])],
    }),
    authority.issue({
      commonName: 'kube-apiserver-kubelet-client',
      organizations: ['system:masters'],
      usage: 'client',
    }),
  ]);

  const kubelets = createKubeletDialer(kubeletClient);
  let journal: Journal | undefined;
  const core = createApiServerCore({
    ...options,
    staticTokens: [{ token: identity.adminToken, user: ADMIN }],
    tokenSecret: identity.tokenSecret,
    clientCa: authority.certificate,
    rootCa: authority.certificate,
    kubelets,
    persistence: {
      journal: (entry) => journal?.append(entry),
      restored: kept?.entries ?? [],
      revision: kept?.revision ?? 0,
    },
  });
  const server = await listen({
    core,
    host,
    port: options.port,
    tls: { serving, clientCa: authority.certificate },
    log,
    kubelets,
  });
  started.use(server);
  // Not before it listens: a start that fails leaves the file as it was. Nothing was answered yet.
  if (dataFile !== undefined) {
    journal = started.use(openJournal(dataFile, identity, core.revision, core.entries()));
  }
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const url = `https://${shown}:${server.port}`;
  const kubeconfig = kubeconfigText({ url, ca: authority.certificate, token: identity.adminToken });
  if (options.kubeconfigFile !== undefined) writeKubeconfig(options.kubeconfigFile, kubeconfig);
  log.info({ url, objects: [...core.entries()].length, revision: core.revision }, 'the API server is listening');
  const running = started.move();
  return {
    url,
    port: server.port,
    ca: authority.certificate,
    adminToken: identity.adminToken,
    kubeconfig,
    core,
    transport: () => createInProcessTransport(core, { clock }),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
