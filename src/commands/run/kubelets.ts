/** The kubelet API of every zone: one listener each, one client CA for all. */
import { isIP } from 'node:net';
import { ZoneletError } from '../../errors.ts';
import { createKubeletAuth } from '../../kubelet/auth.ts';
import { certificateFiles } from '../../kubelet/certificate-files.ts';
import { certificateRequests } from '../../kubelet/certificate-requests.ts';
import { createServingCertificate, createSigningRequest, type ServingCertificate } from '../../kubelet/certificates.ts';
import { clusterClientCa, createClientCa } from '../../kubelet/client-ca.ts';
import { createKubeletServer } from '../../kubelet/server.ts';
import { type CertificateSource, fixedCertificate } from '../../kubelet/serving-certificate.ts';
import type { ReplicaOptions } from './replica-options.ts';
import type { ZoneParts } from './zone-parts.ts';

export interface KubeletsOptions extends ReplicaOptions {
  /** `<UID of the namespace kube-system>/<set>`. */
  readonly owner: string;
  readonly zones: readonly ZoneParts[];
  /** Ends the making of the certificate. */
  readonly signal: AbortSignal;
}

export interface Kubelets extends AsyncDisposable {
  /** By index of the zone. */
  readonly ports: readonly number[];
  /** What this replica shows of itself to the others. */
  readonly certificate: ServingCertificate;
  /** Keeps the client CA and the serving certificates current until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export async function startKubelets(options: KubeletsOptions): Promise<Kubelets> {
  const { config, client, clock, metrics, owner, zones, signal } = options;
  const { address, port } = config.kubelet;
  const certificate = await createServingCertificate({
    address,
    nodeNames: zones.map(({ zone }) => zone.nodeName),
    clock,
    signal,
  });
  const clientCa = createClientCa({ read: clusterClientCa(client), clock, log: options.log });
  await using opened = new AsyncDisposableStack();
  const serving = await servingCertificates(options, certificate);
  const ports: number[] = [];
  for (const [index, { zone, provider, pods, log }] of zones.entries()) {
    const server = await createKubeletServer({
      zone: zone.name,
      nodeName: zone.nodeName,
      listen: { host: listenHost(address), port: port === 0 ? 0 : port + index },
      certificate: serving[index] ?? fixedCertificate(certificate),
      clientCa,
      auth: createKubeletAuth({ client, nodeName: zone.nodeName, clock, log }),
      pods: (namespace, name) => pods.get(`${namespace}/${name}`),
      logs: {
        get: (ref, signal) => provider.get(owner, ref, signal),
        logs: (ref, container, logOptions, signal) => provider.logs(owner, ref, container, logOptions, signal),
      },
      streams: {
        offers: (kind) => provider.capabilities[kind],
        get: (ref, signal) => provider.get(owner, ref, signal),
        exec: (ref, container, execOptions, streams, signal) =>
          provider.exec(owner, ref, container, execOptions, streams, signal),
        attach: (ref, container, streams, signal) => provider.attach(owner, ref, container, streams, signal),
        portForward: (ref, port, signal) => provider.portForward(owner, ref, port, signal),
      },
      node: {
        pods: () => {
          if (!pods.hasSynced) throw new ZoneletError('Unavailable', 'the pods of the node are not known yet');
          return pods.list();
        },
        list: (signal) => provider.list(owner, signal),
        stats: (signal) => provider.stats(owner, signal),
      },
      metrics: metrics.kubelet,
      clock,
      log,
    });
    opened.use(server);
    ports.push(server.port);
  }
  const servers = opened.move();
  return {
    ports,
    certificate,
    async run(signal) {
      await Promise.all([clientCa, ...new Set(serving)].map((one) => one.run(signal)));
    },
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}

/** By index of the zone; the same one for all but where each node has its own. */
async function servingCertificates(
  { config, client, clock, random, metrics, zones, log }: KubeletsOptions,
  first: ServingCertificate,
): Promise<readonly CertificateSource[]> {
  const { address, certificate } = config.kubelet;
  switch (certificate.by) {
    case 'self-signed':
      return zones.map(() => fixedCertificate(first));
    case 'files': {
      const { certFile, keyFile } = certificate;
      const files = await certificateFiles({ certFile, keyFile, clock, log });
      return zones.map(() => files);
    }
    case 'csr':
      return zones.map(({ zone, log: zoneLog }) =>
        certificateRequests({
          client,
          nodeName: zone.nodeName,
          first,
          sign: (signal) => createSigningRequest({ address, nodeName: zone.nodeName, signal }),
          clock,
          random,
          log: zoneLog,
          onIssued: (untilMs) => metrics.kubelet.certificateExpiry.set({ zone: zone.name }, untilMs / 1000),
        }),
      );
  }
}

/** A loopback address is listened on as it is; any other may be one that only the outside knows this replica by. */
export function listenHost(address: string): string {
  if (address.startsWith('127.') || address === '::1') return address;
  return isIP(address) === 6 ? '::' : '0.0.0.0';
}
