/**
 * The suite reads usage through `pods https:<node>:10250 proxy`, a request that carries nobody's credentials to the
 * kubelet API, which lets nobody in without. This is the door that the test opens on purpose: what comes to its port
 * 10250 goes to the node's kubelet API with an administrator's token, and only reads of usage do.
 */
import { once } from 'node:events';
import { createServer, request } from 'node:https';
import { createCertificateAuthority } from '../../../src/local-cluster/api-server/server/certificate-authority.ts';

const PORT = 10_250;
const PATHS: readonly (string | undefined)[] = ['/stats/summary', '/metrics/resource'];

export interface KubeletDoor extends AsyncDisposable {
  /** Where it leads from now on. */
  open(kubeletPort: number): void;
}

export async function createKubeletDoor(address: string, token: string): Promise<KubeletDoor> {
  const authority = await createCertificateAuthority(Date.now());
  const { certificate, key } = await authority.issue({ commonName: 'door', usage: 'server', names: [address] });
  let port = 0;
  const server = createServer({ cert: certificate, key }, (asked, response) => {
    if (asked.method !== 'GET' || !PATHS.includes(asked.url)) {
      response.writeHead(404).end();
      return;
    }
    const passedOn = request(
      // The replica's certificate is its own, and this is one machine.
      {
        host: address,
        port,
        path: asked.url,
        rejectUnauthorized: false,
        headers: { authorization: `Bearer ${token}` },
      },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    passedOn.on('error', (error) => response.writeHead(502).end(error.message));
    passedOn.end();
  });
  server.listen(PORT, address);
  await once(server, 'listening');
  return {
    open(kubeletPort) {
      port = kubeletPort;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
