import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import { Agent, request } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { createKubeClient } from '../../../src/kube/api-client.ts';
import { NODES, PODS } from '../../../src/kube/resources.ts';
import { selfSigned } from '../../../src/kubelet/self-signed.ts';
import { type ApiServer, startApiServer } from '../../../src/local-cluster/api-server/start-api-server.ts';
import { silentLogger } from '../../../src/log.ts';
import { pod } from './cluster.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'local-cluster-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(options: { dataFile?: string; kubeconfigFile?: string } = {}): Promise<ApiServer> {
  return startApiServer({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    ...options,
  });
}

/** A caller that trusts the server's own CA and nothing else. */
async function call(server: ApiServer, path: string, token: string | undefined = server.adminToken) {
  const dispatcher = new Agent({ connect: { ca: server.ca } });
  try {
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
    const answer = await request(`${server.url}${path}`, { dispatcher, headers });
    return { status: answer.statusCode, text: await answer.body.text() };
  } finally {
    await dispatcher.destroy();
  }
}

describe('the server', () => {
  it('lets in whom it knows, over HTTPS with a CA of its own', async () => {
    const kubeconfigFile = join(folder, 'admin.kubeconfig');
    await using server = await start({ kubeconfigFile });
    expect((await call(server, '/api/v1/nodes')).status).toBe(200);
    expect((await call(server, '/api/v1/nodes', 'wrong')).status).toBe(401);
    expect((await call(server, '/api/v1/nodes', '')).status).toBe(403);
    expect((await call(server, '/readyz', '')).text).toBe('ok');
    const config = parse(readFileSync(kubeconfigFile, 'utf8')) as {
      clusters: { cluster: { server: string } }[];
      users: { user: { token: string } }[];
    };
    expect(config.clusters[0]?.cluster.server).toBe(server.url);
    expect(config.users[0]?.user.token).toBe(server.adminToken);
    expect(statSync(kubeconfigFile).mode & 0o077).toBe(0);
  });

  it('has the same objects, versions and credentials after a crash, whatever the last line is', async () => {
    const dataFile = join(folder, 'cluster.data');
    let token = '';
    let revision = 0;
    {
      await using server = await start({ dataFile });
      const client = createKubeClient({ transport: server.transport(), clock: systemClock });
      await client.create(PODS, pod('a'));
      await client.create(PODS, pod('b'));
      await client.delete(PODS, { name: 'a', namespace: 'default' });
      token = server.adminToken;
      revision = server.core.revision;
      // What a SIGKILL in the middle of the next write would leave.
      await client.create(PODS, pod('torn'));
      truncateSync(dataFile, statSync(dataFile).size - 10);
    }
    {
      await using server = await start({ dataFile });
      const client = createKubeClient({ transport: server.transport(), clock: systemClock });
      const { items, resourceVersion } = await client.list(PODS);
      expect(items.map(({ metadata }) => metadata?.name)).toEqual(['b']);
      expect(Number(resourceVersion)).toBe(revision);
      expect((await call(server, '/api/v1/nodes', token)).status).toBe(200);
      const before = { resourceVersion: String(revision - 1) };
      await expect(client.watch(PODS, before)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'Expired',
      });
    }
  });

  it('leaves the data file of another one alone', async () => {
    const dataFile = join(folder, 'cluster.data');
    await using server = await start({ dataFile });
    await expect(start({ dataFile })).rejects.toMatchObject({ code: 'Conflict' });
    const client = createKubeClient({ transport: server.transport(), clock: systemClock });
    await client.create(PODS, pod('a'));
    expect(readFileSync(dataFile, 'utf8')).toContain('default/a');
  });

  it('passes the log of a pod on from the kubelet of its node, as the kubelet is told who asks', async () => {
    await using server = await start();
    const client = createKubeClient({ transport: server.transport(), clock: systemClock });
    const certificate = await selfSigned({
      commonName: 'n',
      dnsNames: ['n'],
      addresses: ['127.0.0.1'],
      notBeforeMs: Date.now() - 60_000,
      notAfterMs: Date.now() + 3_600_000,
    });
    const asked: string[] = [];
    const kubelet = createServer(
      {
        cert: certificate.certificate,
        key: certificate.key,
        ca: server.ca,
        requestCert: true,
        rejectUnauthorized: true,
      },
      (incoming, outgoing) => {
        const subject = incoming.socket instanceof TLSSocket ? incoming.socket.getPeerCertificate().subject.CN : '';
        asked.push(`${String(subject)} ${incoming.url}`);
        if (incoming.url?.includes('tailLines=0')) outgoing.writeHead(400).end('nothing to see');
        else outgoing.end('one\ntwo\n');
      },
    );
    kubelet.listen(0, '127.0.0.1');
    await once(kubelet, 'listening');
    try {
      const { port } = kubelet.address() as AddressInfo;
      const status = {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
      };
      await client.create(NODES, { metadata: { name: 'n' }, status });
      await client.create(PODS, pod('a', { nodeName: 'n' }));
      const path = '/api/v1/namespaces/default/pods/a/log';
      expect(await call(server, `${path}?follow=true&tailLines=2`)).toEqual({ status: 200, text: 'one\ntwo\n' });
      expect(asked).toEqual(['kube-apiserver-kubelet-client /containerLogs/default/a/main?follow=true&tailLines=2']);
      expect((await call(server, `${path}?tailLines=0`)).status).toBe(400);
      expect((await call(server, `${path}?container=other`)).status).toBe(400);
    } finally {
      kubelet.closeAllConnections();
      kubelet.close();
    }
  });
});
