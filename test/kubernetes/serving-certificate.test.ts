/** A serving certificate from a real cluster: its API takes the request, its signer signs it, its CA vouches for it. */
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { waitFor } from '../../src/commands/demo/wait-for.ts';
import { createKubeClient } from '../../src/kube/api-client.ts';
import { connect } from '../../src/kube/connect.ts';
import { CERTIFICATE_SIGNING_REQUESTS } from '../../src/kube/resources.ts';
import type { CertificateSigningRequest } from '../../src/kube/types.ts';
import { certificateRequests } from '../../src/kubelet/certificate-requests.ts';
import { createServingCertificate, createSigningRequest } from '../../src/kubelet/certificates.ts';
import { silentLogger } from '../../src/log.ts';
import { HOW_TO_GET, missing, PROGRAMS } from './binaries.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

describe.skipIf(missing(PROGRAMS).length > 0)(`serving certificates of a real cluster (${HOW_TO_GET})`, () => {
  const undo = new AsyncDisposableStack();
  let plane: ControlPlane;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zonelet-serving-'));
    undo.defer(() => rm(folder, { recursive: true, force: true }));
    plane = undo.use(await startControlPlane({ folder }));
  });
  afterAll(() => undo.disposeAsync());

  test('one is signed once somebody has approved it, and not before', async () => {
    await using access = await connect({ kubeconfig: plane.kubeconfig, env: {}, clock: systemClock });
    const client = createKubeClient({ transport: access.transport, clock: systemClock });
    const signal = AbortSignal.timeout(120_000);
    const first = await createServingCertificate({ address: '127.0.0.1', nodeNames: ['shop-a'], clock: systemClock });
    const source = certificateRequests({
      client,
      nodeName: 'shop-a',
      first,
      sign: (signing) => createSigningRequest({ address: '127.0.0.1', nodeName: 'shop-a', signal: signing }),
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    });
    const stop = new AbortController();
    const running = source.run(stop.signal);
    const waiting = { clock: systemClock, limitMs: 60_000, signal };
    let pending: CertificateSigningRequest | undefined;
    await waitFor(
      'the request',
      async () => {
        pending = (await client.list(CERTIFICATE_SIGNING_REQUESTS)).items[0];
        return pending !== undefined;
      },
      waiting,
    );
    expect(source.current).toBe(first);
    const now = new Date().toISOString();
    const condition = { type: 'Approved', status: 'True', reason: 'ByHand', message: 'ours', lastUpdateTime: now };
    await client.replace(
      CERTIFICATE_SIGNING_REQUESTS,
      { ...pending!, status: { ...pending?.status, conditions: [condition] } },
      { subresource: 'approval' },
    );
    await waitFor('the certificate', async () => source.current !== first, waiting);
    const issued = new X509Certificate(source.current.certificate);
    expect(issued.verify(new X509Certificate(plane.ca).publicKey)).toBe(true);
    expect(issued.subject).toBe('O=system:nodes\nCN=system:node:shop-a');
    expect(issued.subjectAltName).toBe('DNS:shop-a, IP Address:127.0.0.1');
    expect(issued.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    stop.abort();
    await running;
  });
});
