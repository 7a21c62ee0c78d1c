/** What probes cost a process, beside a loop that connects and closes as often. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import type { BenchContext, Benchmark } from './support/benchmark.ts';
import { medianOf } from './support/statistics.ts';

const PROBER = join(import.meta.dirname, 'probes/prober.ts');
const PERIOD_MS = 10_000;
const WINDOW_MS = 30_000;

export const probes: Benchmark = {
  name: 'probes',
  summary: 'CPU time of so many probes at periods of 10 s, each of a pod of its own',
  defaultPods: 2_000,
  defaultRounds: 3,
  async run(context) {
    const server = createServer((_request, response) => void response.end('ok'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const rounds: { bare: number; tcp: number; http: number; ratio: number }[] = [];
      for (let round = 1; round <= context.rounds; round++) {
        const [bare, tcp, http] = [
          await cpuOf('bare', port, context),
          await cpuOf('tcp', port, context),
          await cpuOf('http', port, context),
        ];
        context.say(`round ${round}: a bare loop ${bare} ms, TCP probes ${tcp} ms, HTTP probes ${http} ms of CPU`);
        rounds.push({ bare, tcp, http, ratio: (100 * tcp) / bare });
      }
      const floor = { what: 'a loop that connects and closes', value: medianOf(rounds, 'bare') };
      return {
        rounds,
        figures: [
          { name: 'tcp', value: medianOf(rounds, 'tcp'), unit: 'ms', floor },
          { name: 'http', value: medianOf(rounds, 'http'), unit: 'ms', floor },
          { name: 'tcp of bare', value: medianOf(rounds, 'ratio'), unit: 'percent', target: { atMost: 150 } },
        ],
      };
    } finally {
      server.closeAllConnections();
      server.close();
    }
  },
};

/** Milliseconds of CPU time over the window. */
async function cpuOf(mode: string, port: number, { pods, signal }: BenchContext): Promise<number> {
  const args = [PROBER, mode, pods, PERIOD_MS, WINDOW_MS, port].map(String);
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the prober ended with ${code}`);
  const { cpuMs, looks } = JSON.parse(text) as { cpuMs: number; looks: number };
  const expected = (pods * WINDOW_MS) / PERIOD_MS;
  // Fewer would be cheaper.
  if (looks < 0.95 * expected) throw new Error(`${looks} looks of ${mode} instead of ${expected}`);
  return Math.round(cpuMs);
}
