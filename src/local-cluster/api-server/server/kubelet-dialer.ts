/** Reaches kubelets over HTTPS with the cluster's client certificate; their own certificates are not verified. */
import { request } from 'node:https';
import type { KubeletAnswer, KubeletDialer } from '../pod-logs.ts';
import type { KeyPair } from './certificate-authority.ts';

/** As the API server's: a kubelet that does not answer by then is not there. */
const CONNECT_TIMEOUT_MS = 10_000;

export function createKubeletDialer(client: KeyPair): KubeletDialer {
  return {
    get: (host, port, path, signal) =>
      new Promise<KubeletAnswer>((resolve, reject) => {
        const sent = request(
          {
            host,
            port,
            path,
            method: 'GET',
            cert: client.certificate,
            key: client.key,
            // Like `--kubelet-certificate-authority` left out.
            rejectUnauthorized: false,
            agent: false,
            signal,
            timeout: CONNECT_TIMEOUT_MS,
          },
          (response) => {
            // A followed log may say nothing for hours.
            sent.setTimeout(0);
            resolve({
              status: response.statusCode ?? 500,
              contentType: response.headers['content-type'] ?? 'text/plain',
              chunks: response,
            });
          },
        );
        sent.once('timeout', () => sent.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)));
        sent.once('error', reject);
        sent.end();
      }),
  };
}
