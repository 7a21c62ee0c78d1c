import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommandLine } from '../../../src/commands/command-line.ts';
import { testEnvironment } from './environment.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-backend-'));
  await writeFile(join(folder, 'token'), 'secret\n');
});
afterAll(() => rm(folder, { recursive: true }));

function prepare(...args: string[]) {
  const all = ['backend', '--zone', 'zone-a', '--data', 'data', '--listen', '127.0.0.1:0', ...args];
  return testEnvironment(all, { cwd: folder, env: { PATH: '/usr/bin:/bin' } });
}

describe('zonelet backend', () => {
  test('says where it listens, serves, and ends with 0 when it is told to', async () => {
    const environment = prepare('--journal', 'journal', '--capacity', 'cpu=64,pods=5000');
    const running = runCommandLine(environment);
    for (let tries = 0; environment.out.length === 0 && tries < 1000; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const url = /^zonelet backend: zone zone-a, runtime simulated, listening on (http:\/\/127\.0\.0\.1:\d+)\n$/.exec(
      environment.out.join(''),
    )?.[1];
    const { capacity } = (await (await fetch(`${url}/v2/zone`)).json()) as { capacity: Record<string, string> };
    expect(capacity).toEqual({ cpu: '64', memory: '40Ti', pods: '5000' });
    const headers = { 'zonelet-owner': 'o', 'zonelet-zone': 'zone-a', 'zonelet-epoch': '1', 'zonelet-holder': 'r' };
    expect((await fetch(`${url}/v2/claim`, { method: 'PUT', headers })).status).toBe(200);
    environment.signal('SIGTERM');
    expect(await running).toBe(0);
    expect(JSON.parse(await readFile(join(folder, 'journal'), 'utf8'))).toMatchObject({ op: 'claim', epoch: 1 });
  });

  test.each<[string, string[], RegExp]>([
    ['an address without a port', ['--listen', '127.0.0.1'], /--listen: found "127\.0\.0\.1", allowed: HOST:PORT/],
    ['an IPv6 address without brackets', ['--listen', '::1:7101'], /--listen: found "::1:7101"/],
    ['a port that is none', ['--listen', '127.0.0.1:70000'], /--listen: found "127\.0\.0\.1:70000"/],
    [
      'an open address',
      ['--listen', '0.0.0.0:0'],
      /0\.0\.0\.0 can be reached by others: it needs a token or a client CA/,
    ],
    ['an unknown runtime', ['--runtime', 'docker'], /--runtime: found "docker", allowed: simulated, process/],
    ['a capacity that is none', ['--capacity', 'cpu=many'], /--capacity: found "cpu=many", allowed: RESOURCE=QUANTITY/],
    ['half a pod', ['--capacity', 'pods=1500m'], /--capacity: found "pods=1500m", allowed: a whole number/],
    ['a pod address that is none', ['--runtime', 'process', '--pod-address', 'here'], /--pod-address: found "here"/],
    ['a pod address for simulated pods', ['--pod-address', '10.0.0.1'], /--pod-address is for --runtime process only/],
    ['a token that is not there', ['--token-file', 'nowhere'], /cannot read the token: .*nowhere/],
    ['half a certificate', ['--tls-cert', 'token'], /--tls-cert and --tls-key go together/],
    ['a client CA without a certificate', ['--client-ca', 'token'], /--client-ca needs --tls-cert and --tls-key/],
    ['a certificate that is not there', ['--tls-cert', 'nowhere', '--tls-key', 'token'], /--tls-cert: .*nowhere/],
  ])('%s ends it with 2 and says what is allowed', async (_what, args, message) => {
    const environment = prepare(...args);
    expect(await runCommandLine(environment)).toBe(2);
    expect(environment.out).toEqual([]);
    expect(environment.err.join('')).toMatch(message);
    expect(environment.err.join(''), 'no secret').not.toContain('secret');
  });
});
