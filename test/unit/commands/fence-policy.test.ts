import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { runCommandLine } from '../../../src/commands/command-line.ts';
import { startApiServer } from '../../../src/local-cluster/api-server/start-api-server.ts';
import { silentLogger } from '../../../src/log.ts';
import { testEnvironment } from './environment.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-fence-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function run(action: string, ...args: string[]) {
  const zones = ['a', 'b'].map((name) => ({ name, provider: { kind: 'simulated' } }));
  const config = { apiVersion: 'zonelet.dev/v1alpha1', kind: 'Zonelet', set: 'shop', zones };
  const file = { ...config, kubeconfig: './cluster.kubeconfig', fence: { admissionPolicy: action } };
  await writeFile(join(folder, 'shop.yaml'), JSON.stringify(file));
  const environment = testEnvironment(['fence-policy', '-c', 'shop.yaml', ...args], { cwd: folder });
  const status = await runCommandLine(environment);
  return { status, out: environment.out.join(''), err: environment.err.join('') };
}

/** An API server, and a kubeconfig for it as its administrator or as a ServiceAccount. */
async function serverKnowingUsAs(who: 'administrator' | 'service account') {
  const clock = systemClock;
  const server = await startApiServer({ host: '127.0.0.1', port: 0, clock, random: systemRandom, log: silentLogger });
  let { kubeconfig } = server;
  if (who === 'service account') {
    const path = '/api/v1/namespaces/default/serviceaccounts';
    const headers = { 'content-type': 'application/json' };
    const post = { method: 'POST', headers, timeoutMs: 10_000 } as const;
    const transport = server.transport();
    await transport.request({ ...post, path, body: JSON.stringify({ metadata: { name: 'shop' } }) });
    const made = await transport.request({ ...post, path: `${path}/shop/token`, body: JSON.stringify({ spec: {} }) });
    kubeconfig = kubeconfig.replace(server.adminToken, JSON.parse(made.body).status.token);
  }
  await writeFile(join(folder, 'cluster.kubeconfig'), kubeconfig);
  return server;
}

describe('zonelet fence-policy', () => {
  test.each([
    ['warn', ['Warn', 'Audit']],
    ['enforce', ['Deny']],
  ])(
    '%s: a policy and a binding for each zone, for the named user only, without asking anybody',
    async (action, actions) => {
      const { status, out, err } = await run(action, '--user', 'it "is" me');
      expect({ status, err }).toEqual({ status: 0, err: '' });
      const manifests = parseAllDocuments(out).map((document) => document.toJS());
      expect(manifests).toMatchObject([
        {
          kind: 'ValidatingAdmissionPolicy',
          metadata: { name: 'zonelet-shop-fence' },
          spec: { matchConditions: [{ expression: 'request.userInfo.username == "it \\"is\\" me"' }] },
        },
        {
          kind: 'ValidatingAdmissionPolicyBinding',
          metadata: { name: 'zonelet-shop-fence-a' },
          spec: { policyName: 'zonelet-shop-fence', paramRef: { name: 'shop-a' }, validationActions: actions },
        },
        {
          kind: 'ValidatingAdmissionPolicyBinding',
          metadata: { name: 'zonelet-shop-fence-b' },
          spec: { policyName: 'zonelet-shop-fence', paramRef: { name: 'shop-b' }, validationActions: actions },
        },
      ]);
    },
  );

  test('off is a mistake: there would be nothing to install', async () => {
    const { status, out, err } = await run('off', '--user', 'me');
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain('fence.admissionPolicy is off');
  });

  test('in the pod of a replica its ServiceAccount is the user', async () => {
    await using _server = await serverKnowingUsAs('service account');
    const { status, out, err } = await run('enforce');
    expect({ status, err }).toEqual({ status: 0, err: '' });
    expect(out).toContain('request.userInfo.username == "system:serviceaccount:default:shop"');
  });

  test('somebody who is no ServiceAccount has to say which one the replicas are', async () => {
    await using _server = await serverKnowingUsAs('administrator');
    const { status, out, err } = await run('enforce');
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toContain('which is no ServiceAccount: say with --user');
  });
});
