/** The reference server of the web protocol in this process, on a folder of its own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type BackendServer,
  type BackendServerOptions,
  startBackendServer,
} from '../../providers/web/server/server.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { silentLogger } from '../../src/log.ts';
import { endProcesses } from './web-conformance.ts';

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly server: BackendServer;
  /** The backend's data is in `data`; the rest is the test's. */
  readonly folder: string;
  /** Stops it and starts it again on the same data. */
  restart(change?: Partial<BackendServerOptions>): Promise<void>;
}

export async function startTestServer(change: Partial<BackendServerOptions> = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-server-'));
  const options: BackendServerOptions = {
    zone: 'zone-a',
    host: '127.0.0.1',
    port: 0,
    runtime: { kind: 'simulated' },
    dataFolder: join(folder, 'data'),
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    ...change,
  };
  let server = await startBackendServer(options).catch(async (error) => {
    await rm(folder, { recursive: true });
    throw error;
  });
  return {
    get url() {
      return server.url;
    },
    get server() {
      return server;
    },
    folder,
    async restart(more = {}) {
      await server[Symbol.asyncDispose]();
      server = await startBackendServer({ ...options, ...more });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await endProcesses(options.dataFolder);
      await rm(folder, { recursive: true, maxRetries: 5 });
    },
  };
}
