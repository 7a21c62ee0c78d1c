import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import type { KubeClient } from '../../../src/kube/client.ts';
import type { CertificateSigningRequest } from '../../../src/kube/types.ts';
import { certificateFiles } from '../../../src/kubelet/certificate-files.ts';
import { certificateRequests } from '../../../src/kubelet/certificate-requests.ts';
import { createSigningRequest } from '../../../src/kubelet/certificates.ts';
import { type ServingCertificate, selfSigned } from '../../../src/kubelet/self-signed.ts';
import type { CertificateSource } from '../../../src/kubelet/serving-certificate.ts';
import { signingRequest } from '../../../src/kubelet/signing-request.ts';
import { type Logger, silentLogger } from '../../../src/log.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';
import { createAuthority, type TestAuthority } from './certificate-authority.ts';

const DAY_MS = 24 * 3_600_000;
const NAMES = { nodeName: 'demo-zone-a', dnsNames: ['demo-zone-a'], addresses: ['10.1.2.3'] };
const random = { next: () => 0.5, uuid: () => 'uuid' };

function ownCertificate(name: string): Promise<ServingCertificate> {
  const notAfterMs = Date.UTC(2099, 0, 1);
  return selfSigned({ commonName: name, dnsNames: [name], addresses: [], notBeforeMs: 0, notAfterMs });
}

function changeOf(source: CertificateSource): Promise<void> {
  return new Promise((resolve) => {
    const stop = source.subscribe(() => {
      stop();
      resolve();
    });
  });
}

describe('serving certificate from files', () => {
  let folder: string;
  let first: ServingCertificate;
  let second: ServingCertificate;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'zonelet-certificate-'));
    first = await ownCertificate('first');
    second = await ownCertificate('second');
  });
  afterAll(() => rm(folder, { recursive: true }));

  const files = () => ({ certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key') });
  const put = async ({ certificate, key }: Partial<ServingCertificate>) => {
    if (certificate !== undefined) await writeFile(files().certFile, certificate);
    if (key !== undefined) await writeFile(files().keyFile, key);
  };

  it('is read anew when it changes, and stays while only half of it has', async () => {
    const clock = new VirtualClock();
    await put(first);
    const source = await certificateFiles({ ...files(), clock, log: silentLogger });
    const stop = new AbortController();
    const running = source.run(stop.signal);
    expect(source.current).toEqual(first);
    await put({ certificate: second.certificate });
    const changed = changeOf(source);
    await clock.advance(10_000);
    await put({ key: second.key });
    // However long reading a file takes, the next look is due ten seconds after it.
    const looking = (async () => {
      for (let changedYet = false; !changedYet; ) {
        changedYet = await Promise.race([changed.then(() => true), clock.advance(10_000).then(() => false)]);
      }
    })();
    await looking;
    expect(source.current).toEqual(second);
    stop.abort();
    await running;
  });

  it('must be there, whole, to begin with', async () => {
    const clock = new VirtualClock();
    await put({ certificate: first.certificate, key: second.key });
    const mixed = certificateFiles({ ...files(), clock, log: silentLogger });
    await expect(mixed).rejects.toMatchObject({
      code: 'InvalidInput',
      message: expect.stringContaining('the key is not that of the certificate'),
    });
    const absent = certificateFiles({ ...files(), keyFile: join(folder, 'no.key'), clock, log: silentLogger });
    await expect(absent).rejects.toThrow(/no\.key cannot be read/);
  });
});

/** The certificates API as far as a requester sees it. */
function requestsApi() {
  const requests = new Map<string, CertificateSigningRequest>();
  const names: string[] = [];
  const api = { down: false, created: (): void => {} };
  const client = {
    async create(_of: unknown, object: CertificateSigningRequest) {
      if (api.down) throw new ZoneletError('Unavailable', 'the API server is down');
      const name = `${object.metadata?.generateName}${names.length + 1}`;
      const created = { ...object, metadata: { name } };
      names.push(name);
      requests.set(name, created);
      api.created();
      return created;
    },
    async get(_of: unknown, { name }: { name: string }) {
      if (api.down) throw new ZoneletError('Unavailable', 'the API server is down');
      const found = requests.get(name);
      if (found === undefined) throw new ZoneletError('NotFound', `there is no ${name}`);
      return found;
    },
  } as unknown as KubeClient;
  const pem = (name: string) => Buffer.from(requests.get(name)?.spec.request ?? '', 'base64').toString();
  return { client, requests, names, api, pem };
}

describe('serving certificate from the cluster', () => {
  let authority: TestAuthority;
  let own: ServingCertificate;
  beforeAll(async () => {
    authority = await createAuthority();
    own = await ownCertificate('self');
  });

  function setUp() {
    const clock = new VirtualClock();
    const api = requestsApi();
    const said: string[] = [];
    const expiries: number[] = [];
    const log: Logger = { ...silentLogger, warn: (fields, message) => said.push(JSON.stringify([fields, message])) };
    const source = certificateRequests({
      client: api.client,
      nodeName: 'demo-zone-a',
      first: own,
      sign: () => signingRequest(NAMES),
      clock,
      random,
      log,
      onIssued: (untilMs) => expiries.push(untilMs),
    });
    const stop = new AbortController();
    const running = source.run(stop.signal);
    /** Once the next request is with the API server. */
    const requested = async (count: number) => {
      while (api.names.length < count) {
        await new Promise<void>((resolve) => {
          api.api.created = resolve;
        });
      }
      await settle();
      return api.names[count - 1] ?? '';
    };
    const approve = async (name: string, days: number) => {
      const certificate = await authority.sign(api.pem(name), clock.now(), clock.now() + days * DAY_MS);
      const request = api.requests.get(name);
      if (request !== undefined) request.status = { certificate: Buffer.from(certificate).toString('base64') };
      await clock.advance(5000);
      return certificate;
    };
    const end = async () => {
      stop.abort();
      await running;
    };
    return { clock, ...api, source, said, expiries, requested, approve, end };
  }

  it('is asked for in the form that the signer of serving certificates demands', async () => {
    const { requested, requests, pem, end } = setUp();
    const name = await requested(1);
    expect(requests.get(name)?.spec).toMatchObject({
      signerName: 'kubernetes.io/kubelet-serving',
      usages: ['digital signature', 'server auth'],
    });
    const x509 = await import('@peculiar/x509');
    const csr = new x509.Pkcs10CertificateRequest(pem(name));
    expect(csr.subject).toBe('O=system:nodes, CN=system:node:demo-zone-a');
    const certificate = new X509Certificate(await authority.sign(pem(name), 0, DAY_MS));
    expect(certificate.subjectAltName).toBe('DNS:demo-zone-a, IP Address:10.1.2.3');
    await end();
  });

  it('is self-signed until one was issued, which it says', async () => {
    const { requested, approve, source, said, expiries, clock, end } = setUp();
    const name = await requested(1);
    expect(source.current).toBe(own);
    expect(said.join()).toContain(`a self-signed certificate is served until ${name} is approved`);
    const changed = changeOf(source);
    const certificate = await approve(name, 10);
    await changed;
    expect(source.current.certificate).toBe(certificate);
    expect(expiries).toEqual([Date.parse(new X509Certificate(certificate).validTo)]);
    expect(expiries[0]).toBeGreaterThan(clock.now());
    await end();
  });

  it('is renewed before it runs out, with another key, and serves on meanwhile', async () => {
    const { requested, approve, source, clock, names, end } = setUp();
    const certificate = await approve(await requested(1), 10);
    const { key } = source.current;
    await clock.advance(7 * DAY_MS);
    expect(names).toHaveLength(1);
    await clock.advance(1.1 * DAY_MS);
    const second = await requested(2);
    expect(source.current.certificate).toBe(certificate);
    await approve(second, 10);
    expect(source.current.certificate).not.toBe(certificate);
    expect(source.current.key).not.toBe(key);
    await end();
  });

  it('is asked for again after a refusal, after nobody cared for a day, and when the API server is back', async () => {
    const { requested, approve, source, clock, requests, api, said, end } = setUp();
    const first = requests.get(await requested(1));
    if (first !== undefined) {
      first.status = { conditions: [{ type: 'Denied', status: 'True', message: 'not one of ours' }] };
    }
    await clock.advance(5000);
    expect(said.join()).toContain('not one of ours');
    await clock.advance(30_000);
    const second = await requested(2);
    api.down = true;
    await clock.advance(60_000);
    api.down = false;
    requests.delete(second);
    await clock.advance(5000);
    await clock.advance(60_000);
    const third = await requested(3);
    expect(source.current).toBe(own);
    await approve(third, 1);
    expect(source.current).not.toBe(own);
    await end();
  });

  it('is not taken when it is for another key', async () => {
    const { requested, source, clock, requests, said, end } = setUp();
    const request = requests.get(await requested(1));
    const other = await authority.sign((await signingRequest(NAMES)).request, 0, Date.UTC(2099, 0, 1));
    if (request !== undefined) request.status = { certificate: Buffer.from(other).toString('base64') };
    await clock.advance(5000);
    expect(source.current).toBe(own);
    expect(said.join()).toContain('not for the key that was asked for');
    await end();
  });

  it('has its request made in a process of its own', async () => {
    const signal = new AbortController().signal;
    const { request, key } = await createSigningRequest({ address: '10.1.2.3', nodeName: 'demo-zone-a', signal });
    const certificate = new X509Certificate(await authority.sign(request, 0, DAY_MS));
    expect(certificate.subject).toBe('O=system:nodes\nCN=system:node:demo-zone-a');
    expect(key).toContain('BEGIN PRIVATE KEY');
  });
});
