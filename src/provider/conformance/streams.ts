/** Exec, attach and port-forward, where the provider has them and the harness knows what to run. */
import { PassThrough, Readable, Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { ExecResult, PodRef, StandardStreams } from '../contract.ts';
import type { ConformanceHarness, SuiteCommands } from './harness.ts';
import { failure, OWNER, onStage, type Stage } from './stage.ts';

export function streams(harness: ConformanceHarness): void {
  describe('exec', () => {
    it(
      'gives what a command writes, and its exit code',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        const commands = commandsOf(stage);
        const said = await exec(stage, ref, commands.echo('hello €'));
        expect(said).toEqual({ exitCode: 0, stdout: 'hello €\n', stderr: '' });
        expect((await exec(stage, ref, commands.exit(3))).exitCode).toBe(3);
      }),
    );

    it(
      'carries input and output unharmed, and tells the end of the input',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        const { cat } = commandsOf(stage);
        const input = Buffer.alloc(1_000_000, 'all kinds of bytes \0\r\n\xff', 'latin1');
        const stdin = new PassThrough();
        stdin.end(input);
        const stdout = new PassThrough();
        const all = buffer(stdout);
        expect(await run(stage, ref, cat, { stdin, stdout })).toEqual({ exitCode: 0 });
        stdout.end();
        expect((await all).equals(input)).toBe(true);
      }),
    );

    it(
      'waits for a reader that is slow',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        const { cat } = commandsOf(stage);
        const stdin = Readable.from(Array.from({ length: 100 }, () => Buffer.alloc(32_768, 'x')));
        let got = 0;
        let most = 0;
        const stdout: Writable = new Writable({
          highWaterMark: 1024,
          write(chunk: Buffer, _encoding, done) {
            got += chunk.length;
            most = Math.max(most, stdout.writableLength);
            setImmediate(done);
          },
        });
        await run(stage, ref, cat, { stdin, stdout });
        await new Promise<void>((resolve) => stdout.end(resolve));
        expect(got).toBe(3_276_800);
        expect(most, 'what was written without waiting').toBeLessThan(1_000_000);
      }),
    );

    it(
      'says of a command that is not there: 126 or 127, with the reason',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        commandsOf(stage);
        const { exitCode, stderr } = await exec(stage, ref, ['no-such-command-of-the-suite']);
        expect([126, 127]).toContain(exitCode);
        expect(stderr).not.toBe('');
      }),
    );

    it(
      'lets go when its client is gone',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        const { sleep } = commandsOf(stage);
        const gone = new AbortController();
        let settled = false;
        const running = run(stage, ref, sleep, { stdout: new PassThrough() }, gone.signal)
          .catch(() => undefined)
          .finally(() => {
            settled = true;
          });
        await stage.advance(100);
        expect(settled, 'it goes on while the client is there').toBe(false);
        gone.abort();
        await stage.eventually('the call settles', () => settled);
        await running;
      }),
    );

    it(
      'answers NotFound for an unknown pod or container, and Conflict for one that has ended',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        const command = commandsOf(stage).echo('x');
        expect(await failure(run(stage, stage.pod().ref, command, {}))).toBe('NotFound');
        expect(await failure(run(stage, ref, command, {}, stage.signal, 'nobody'))).toBe('NotFound');
        const ended = await stage.ended();
        expect(await failure(run(stage, ended, command, {}))).toBe('Conflict');
      }),
    );
  });

  describe('attach', () => {
    it(
      'lasts as long as the container',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        let settled = false;
        const attached = attach(stage, ref).finally(() => {
          settled = true;
        });
        await stage.advance(100);
        expect(settled, 'it goes on while the container runs').toBe(false);
        await stage.delete(ref, 0);
        await stage.eventually('the call settles', () => settled);
        await attached;
      }),
    );

    it(
      'answers NotFound for an unknown pod or container, and Conflict for one that has ended',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        expect(await failure(attach(stage, stage.pod().ref))).toBe('NotFound');
        expect(await failure(attach(stage, ref, 'nobody'))).toBe('NotFound');
        expect(await failure(attach(stage, await stage.ended()))).toBe('Conflict');
      }),
    );
  });

  describe('port-forward', () => {
    it(
      'carries bytes both ways, each half to its own end',
      onStage(harness, async (stage) => {
        const { echoPort } = stage.backend;
        if (echoPort === undefined) return stage.skip('the harness has no port that echoes');
        const { ref } = await stage.running();
        const sent = Buffer.alloc(500_000, 'echo \0\xff', 'latin1');
        const connection = await open(stage, ref, echoPort);
        const all = buffer(connection);
        connection.end(sent);
        expect((await all).equals(sent)).toBe(true);
      }),
    );

    it(
      'answers NotFound for an unknown pod, and Conflict for one that has ended',
      onStage(harness, async (stage) => {
        await stage.running();
        const port = stage.backend.echoPort ?? 1;
        expect(await failure(open(stage, stage.pod().ref, port))).toBe('NotFound');
        expect(await failure(open(stage, await stage.ended(), port))).toBe('Conflict');
      }),
    );
  });
}

/** To be asked after the first contact: a provider may learn only then what its backend can do. */
function commandsOf(stage: Stage): SuiteCommands {
  if (!stage.provider.capabilities.exec) return stage.skip('the provider offers no exec');
  return stage.backend.commands ?? stage.skip('the harness knows no commands');
}

async function run(
  stage: Stage,
  ref: PodRef,
  command: readonly string[],
  io: StandardStreams,
  signal = stage.signal,
  container = 'main',
): Promise<ExecResult> {
  const call = stage.provider.exec?.bind(stage.provider);
  if (call === undefined) throw new TypeError('the provider says that it has exec');
  return await call(OWNER, ref, container, { command, tty: false }, io, signal);
}

async function exec(stage: Stage, ref: PodRef, command: readonly string[]) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const texts = Promise.all([buffer(stdout), buffer(stderr)]);
  const { exitCode } = await run(stage, ref, command, { stdout, stderr });
  stdout.end();
  stderr.end();
  const [out, err] = await texts;
  return { exitCode, stdout: out.toString(), stderr: err.toString() };
}

async function attach(stage: Stage, ref: PodRef, container = 'main'): Promise<void> {
  if (!stage.provider.capabilities.attach) return stage.skip('the provider offers no attach');
  const stdout = new PassThrough().resume();
  await stage.provider.attach?.(OWNER, ref, container, { stdout }, stage.signal);
}

async function open(stage: Stage, ref: PodRef, port: number) {
  if (!stage.provider.capabilities.portForward) return stage.skip('the provider offers no port-forward');
  const call = stage.provider.portForward?.bind(stage.provider);
  if (call === undefined) throw new TypeError('the provider says that it has portForward');
  return await call(OWNER, ref, port, stage.signal);
}
