/** The backend in Python, held to the provider contract: what README.md says suffices to write one. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/log.ts';
import { type PodWish, providerConformance } from '../../../src/provider/conformance/suite.ts';
import { startFaultProxy } from '../../../test/support/fault-proxy.ts';
import { createWebProvider } from '../provider.ts';

const PROGRAM = `${import.meta.dirname}/backend.py`;
/** The interpreter itself and no wrapper around it, which would be started for every case. */
const python3 = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout?.trim();

interface Python {
  readonly port: number;
  kill(): Promise<void>;
}

async function startPython(folder: string, more: readonly string[] = []): Promise<Python> {
  const args = [PROGRAM, '--zone', 'zone-a', '--data', folder, '--port', '0', ...more];
  const child: ChildProcess = spawn(python3, ['-I', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      const found = /:(\d+)\n/.exec(chunk.toString())?.[1];
      if (found !== undefined) resolve(Number(found));
    });
    void exited.then(() => reject(new Error('the backend in Python has ended')));
  });
  return {
    port,
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** What a killed backend leaves running. */
async function endContainers(folder: string): Promise<void> {
  const text = await readFile(join(folder, 'state.json'), 'utf8').catch(() => '{"pods":[]}');
  const { pods } = JSON.parse(text) as {
    readonly pods: readonly { readonly containers: readonly { pid?: number }[] }[];
  };
  for (const { pid } of pods.flatMap(({ containers }) => containers)) {
    if (pid === undefined) continue;
    try {
      kill(-pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

function command(wish: PodWish): string[] | undefined {
  if (wish.does === 'run') return ['sleep', '100000'];
  if (wish.does === 'exit') return ['sh', '-c', `exit ${wish.code}`];
  return undefined;
}

describe.skipIf(!python3)('the example in Python', () => {
  it('is at most 250 lines, without the blank ones', async () => {
    const lines = (await readFile(PROGRAM, 'utf8')).split('\n').filter((line) => line.trim() !== '');
    expect(lines.length).toBeLessThanOrEqual(250);
  });

  providerConformance('web, on the example in Python', {
    async start() {
      const folder = await mkdtemp(join(tmpdir(), 'zonelet-python-'));
      const proxy = await startFaultProxy();
      let python = await startPython(folder);
      proxy.target(python.port);
      const restart = async (more: readonly string[] = []): Promise<void> => {
        await python.kill();
        python = await startPython(folder, more);
        proxy.target(python.port);
      };
      return {
        zone: 'zone-a',
        clock: systemClock,
        connect: () =>
          createWebProvider(
            { url: `http://127.0.0.1:${proxy.port}` },
            { zone: 'zone-a', clock: systemClock, random: systemRandom, log: silentLogger },
          ),
        pod(wish) {
          const words = command(wish);
          if (words === undefined) return undefined;
          const containers = [{ name: 'main', image: 'registry.example/suite:1', command: words }];
          return { spec: { restartPolicy: wish.does === 'exit' ? 'Never' : 'Always', containers } };
        },
        restart: () => restart(),
        loseNextReply: () => proxy.loseNextReply(),
        hang: (on) => proxy.hang(on),
        unreachable: (on) => proxy.cut(on),
        noNewPods: (on) => restart(on ? ['--pods', '0'] : []),
        async [Symbol.asyncDispose]() {
          await proxy[Symbol.asyncDispose]();
          await python.kill();
          await endContainers(folder);
          await rm(folder, { recursive: true, maxRetries: 5 });
        },
      };
    },
  });
});
