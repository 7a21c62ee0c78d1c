/** Reaches kubelets over HTTPS with the cluster's client certificate; their own certificates are not verified. */
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { KubeletAnswer, KubeletDialer } from '../pod-logs.ts';
import type { KeyPair } from './certificate-authority.ts';

/** As the API server's: a kubelet that does not answer by then is not there. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Of a client, what is between it and the kubelet. */
const PASSED_ON = [
  'connection',
  'upgrade',
  'x-stream-protocol-version',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
];

export function createKubeletDialer(client: KeyPair): KubeletDialer {
  return {
    upgrade: ({ host, port, path }, incoming, taken) =>
      new Promise((resolve, reject) => {
        const { socket: downstream, headers, method } = incoming;
        const sent = request({
          host,
          port,
          path,
          method,
          headers: Object.fromEntries(PASSED_ON.flatMap((name) => (headers[name] ? [[name, headers[name]]] : []))),
          cert: client.certificate,
          key: client.key,
          rejectUnauthorized: false,
          agent: false,
          timeout: CONNECT_TIMEOUT_MS,
        });
        sent.once('timeout', () => sent.destroy(new Error(`dial tcp ${host}:${port}: i/o timeout`)));
        sent.once('error', reject);
        sent.once('response', (response) => {
          void text(response).then((body) => reject(new Error(body === '' ? `${response.statusCode}` : body)), reject);
        });
        sent.once('upgrade', (response, upstream, head) => {
          upstream.setTimeout(0);
          taken();
          const lines = [`HTTP/1.1 101 ${response.statusMessage}`];
          for (let i = 0; i < response.rawHeaders.length; i += 2) {
            lines.push(`${response.rawHeaders[i]}: ${response.rawHeaders[i + 1]}`);
          }
          downstream.write(`${lines.join('\r\n')}\r\n\r\n`);
          downstream.write(head);
          // Half-closes go through; a side that breaks off takes the other along.
          upstream.pipe(downstream);
          downstream.pipe(upstream);
          for (const [one, other] of [
            [upstream, downstream],
            [downstream, upstream],
          ] as const) {
            one.on('error', () => other.destroy());
            one.once('close', () => other.end());
          }
          resolve();
        });
        sent.end();
      }),
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
