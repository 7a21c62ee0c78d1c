/** The two API servers that must answer alike: the embedded one always, a real one where its programs are. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { startApiServer } from '../../../src/local-cluster/api-server/start-api-server.ts';
import { silentLogger } from '../../../src/log.ts';
import { API_SERVER, HOW_TO_GET, missing } from '../binaries.ts';
import { startControlPlane } from '../control-plane.ts';

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: cases look into objects of every kind
  readonly body: any;
}

export interface Api {
  readonly name: 'embedded' | 'real';
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
}

export interface Servers extends AsyncDisposable {
  readonly embedded: Api;
  readonly real: Api | undefined;
}

export async function startServers(): Promise<Servers> {
  await using started = new AsyncDisposableStack();
  const embedded = await startApiServer({
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  started.use(embedded);
  const apis: { embedded: Api; real: Api | undefined } = {
    embedded: apiOf('embedded', embedded.url, embedded.ca, embedded.adminToken, started),
    real: undefined,
  };
  const absent = missing(API_SERVER);
  if (absent.length > 0) {
    console.log(`not compared with a real API server, for want of ${absent.join(' and ')}: ${HOW_TO_GET}`);
  } else {
    const folder = mkdtempSync(join(tmpdir(), 'zonelet-contract-'));
    started.defer(() => rmSync(folder, { recursive: true, force: true }));
    const real = started.use(await startControlPlane({ folder, apiServerOnly: true }));
    apis.real = apiOf('real', real.server, real.ca, real.token, started);
  }
  const running = started.move();
  return { ...apis, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function apiOf(name: Api['name'], url: string, ca: string, token: string, owner: AsyncDisposableStack): Api {
  const agent = new Agent({ connect: { ca } });
  owner.defer(() => agent.destroy());
  return {
    name,
    async send(method, path, body, headers = {}) {
      const answer = await request(`${url}${path}`, {
        method: method as 'GET',
        dispatcher: agent,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await answer.body.text();
      const isJson = String(answer.headers['content-type']).startsWith('application/json');
      // A watch that the server ends by its timeout: one event a line.
      if (isJson && answer.statusCode === 200 && path.includes('watch=true')) {
        const lines = text.split('\n').filter((line) => line !== '');
        return { status: 200, body: lines.map((line) => JSON.parse(line)) };
      }
      return { status: answer.statusCode, body: isJson ? JSON.parse(text) : text };
    },
  };
}
