import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { silentLogger } from '../../src/log.ts';
import { type PodWish, providerConformance } from '../../src/provider/conformance/suite.ts';
import { startFaultProxy } from '../../test/support/fault-proxy.ts';
import { createWebProvider } from './provider.ts';
import { type BackendServerOptions, startBackendServer } from './server/server.ts';
import { EXIT_AFTER, EXIT_CODE } from './server/simulated-runtime.ts';

/** What a simulated pod can be made to do; it has no output and always stops at once. */
function simulatedPod(wish: PodWish) {
  if (wish.does !== 'run' && wish.does !== 'exit') return undefined;
  return {
    metadata: {
      annotations: wish.does === 'exit' ? { [EXIT_AFTER]: '0.2', [EXIT_CODE]: String(wish.code) } : {},
    },
    spec: {
      restartPolicy: wish.does === 'exit' ? 'Never' : 'Always',
      containers: [{ name: 'main', image: 'registry.example/suite:1' }],
    },
  };
}

providerConformance('web, on a simulated backend', {
  async start() {
    const folder = await mkdtemp(join(tmpdir(), 'zonelet-web-'));
    const proxy = await startFaultProxy();
    const options: BackendServerOptions = {
      zone: 'zone-a',
      host: '127.0.0.1',
      port: 0,
      runtime: { kind: 'simulated' },
      dataFolder: folder,
      clock: systemClock,
      log: silentLogger,
    };
    let server = await startBackendServer(options);
    proxy.target(server.port);
    const restart = async (change: Partial<BackendServerOptions> = {}): Promise<void> => {
      await server[Symbol.asyncDispose]();
      server = await startBackendServer({ ...options, ...change });
      proxy.target(server.port);
    };
    return {
      zone: 'zone-a',
      clock: systemClock,
      connect: () =>
        createWebProvider(
          { url: `http://127.0.0.1:${proxy.port}` },
          { zone: 'zone-a', clock: systemClock, random: systemRandom, log: silentLogger },
        ),
      pod: simulatedPod,
      restart: () => restart(),
      loseNextReply: () => proxy.loseNextReply(),
      hang: (on) => proxy.hang(on),
      unreachable: (on) => proxy.cut(on),
      noNewPods: (on) => restart(on ? { capacity: { pods: '0' } } : {}),
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
        await rm(folder, { recursive: true });
      },
    };
  },
});
