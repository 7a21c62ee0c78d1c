import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

const watchdog = new URL('../../../src/election/watchdog.ts', import.meta.url).href;

/** A process with a watchdog of `blockedForMs` that runs `body` (after a first line on stdout) and is looked at from outside. */
function start(
  blockedForMs: number,
  body: string,
): { child: ChildProcess; output: () => string; line: Promise<unknown> } {
  const program = `
    import { startWatchdog } from ${JSON.stringify(watchdog)};
    const dog = startWatchdog({ blockedForMs: ${blockedForMs} });
    console.log('started');
    ${body}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const line = new Promise((resolve) => child.stdout?.once('data', resolve));
  return { child, output: () => output, line };
}

test('a blocked event loop ends the process, which says so', async () => {
  const { child, output } = start(400, 'setTimeout(() => { for (;;); }, 200);');
  const [, signal] = await once(child, 'close');
  expect(signal).toBe('SIGKILL');
  expect(output()).toContain('the event loop was blocked for 400 ms');
});

test('it does not keep a process alive, watched or not', async () => {
  for (const body of ['', 'dog[Symbol.dispose]();']) {
    const { child, output } = start(60_000, body);
    const [code, signal] = await once(child, 'close');
    expect({ code, signal, output: output() }).toEqual({ code: 0, signal: null, output: 'started\n' });
  }
});

test('a process that was stopped as a whole goes on', async () => {
  const { child, output, line } = start(
    3_000,
    "setInterval(() => {}, 1000); process.on('SIGUSR2', () => { console.log('alive'); process.exit(0); });",
  );
  await line;
  child.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  child.kill('SIGCONT');
  await new Promise((resolve) => setTimeout(resolve, 300));
  child.kill('SIGUSR2');
  const [code, signal] = await once(child, 'close');
  expect({ code, signal, output: output() }).toEqual({ code: 0, signal: null, output: 'started\nalive\n' });
});
