/**
 * A process that looks at so many ports as often as it is told and says what CPU time that took:
 *
 *     node prober.ts bare|tcp|http COUNT PERIOD_MS WINDOW_MS PORT
 *
 * `bare` is a loop that connects and closes, nothing more; the others are probes under the lifecycle engine, each of a pod
 * of its own.
 */
import { connect } from 'node:net';
import process from 'node:process';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { createProbes } from '../../../src/lifecycle/probes.ts';
import type { Reach } from '../../../src/lifecycle/reach.ts';
import { newLifeRecord } from '../../../src/lifecycle/record.ts';

const [mode = '', ...numbers] = process.argv.slice(2);
const [count = 0, periodMs = 0, windowMs = 0, port = 0] = numbers.map(Number);
/** Everybody's first look is over by then. */
const WARM_MS = periodMs + 2_000;

let looks = 0;
if (mode === 'bare') {
  const dial = (): void => {
    const socket = connect(port, '127.0.0.1', () => {
      looks++;
      socket.destroy();
    });
    socket.on('error', () => {});
  };
  for (let i = 0; i < count; i++) {
    setTimeout(
      () => {
        dial();
        setInterval(dial, periodMs);
      },
      (i * periodMs) / count,
    );
  }
} else {
  const reach: Reach = {
    dial: (to, signal) =>
      new Promise((resolve, reject) => {
        const socket = connect(to, '127.0.0.1', () => {
          looks++;
          signal.removeEventListener('abort', abort);
          resolve(socket);
        });
        const abort = (): void => void socket.destroy(new Error('aborted'));
        socket.once('error', reject);
        signal.addEventListener('abort', abort, { once: true });
      }),
    exec: () => Promise.reject(new Error('nothing runs here')),
  };
  for (let i = 0; i < count; i++) {
    const handler = mode === 'http' ? { httpGet: { port, path: '/' } } : { tcpSocket: { port } };
    const spec = { containers: [{ name: 'main', readinessProbe: { ...handler, periodSeconds: periodMs / 1000 } }] };
    const record = newLifeRecord(spec, systemClock.now());
    for (const container of record.containers) Object.assign(container, { phase: 'running', startedAtMs: 0 });
    const probes = createProbes({
      record,
      spec: () => spec,
      address: '127.0.0.1',
      reach,
      clock: systemClock,
      random: systemRandom,
      now: () => systemClock.now(),
      tell() {},
      found: (change) => change(),
    });
    probes.spread();
  }
}

setTimeout(() => {
  const before = process.cpuUsage();
  const lookedBefore = looks;
  setTimeout(() => {
    const { user, system } = process.cpuUsage(before);
    process.stdout.write(`${JSON.stringify({ cpuMs: (user + system) / 1000, looks: looks - lookedBefore })}\n`);
    process.exit(0);
  }, windowMs);
}, WARM_MS);
// Timers of the engine keep no process alive.
setInterval(() => {}, 60_000);
