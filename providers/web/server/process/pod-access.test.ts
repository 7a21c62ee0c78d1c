/** Commands, output, ports and usage of pods that are processes, from the provider through the protocol. */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { env } from 'node:process';
import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../../../src/errors.ts';
import type { Container, Pod } from '../../../../src/kube/types.ts';
import type { Provider, StandardStreams } from '../../../../src/provider/contract.ts';
import {
  connectTo,
  eventually,
  logOf,
  OWNER,
  operation,
  podOf,
  read,
  reading,
} from '../../../../test/support/web-client.ts';
import { startTestServer, type TestServer } from '../../../../test/support/web-server.ts';
import { findTerminal } from './exec.ts';

const RUNTIME = { kind: 'process', podAddress: '127.0.0.1', searchPath: env.PATH ?? '/usr/bin:/bin' } as const;
const REF = podOf('one').ref;

async function onPod(
  container: Partial<Container>,
  test: (provider: Provider, server: TestServer) => Promise<void>,
  spec: Partial<Pod['spec']> = {},
): Promise<void> {
  await using server = await startTestServer({ runtime: RUNTIME });
  await using provider = connectTo({ url: server.url });
  const command = ['sh', '-c', 'while :; do sleep 0.1; done'];
  const pod = podOf('one', { command, ...container }, { restartPolicy: 'Never', ...spec });
  await provider.create({ ...pod, env: { main: [{ name: 'GREETING', value: 'hello' }] } }, operation());
  await test(provider, server);
}

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  provider: Provider,
  command: readonly string[],
  { stdin, tty = false, resizes }: { stdin?: Readable; tty?: boolean; resizes?: StandardStreams['resizes'] } = {},
): Promise<Ran> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const outputs = Promise.all([text(stdout), text(stderr)]);
  const streams = {
    stdout,
    ...(tty ? {} : { stderr }),
    ...(stdin === undefined ? {} : { stdin }),
    ...(resizes === undefined ? {} : { resizes }),
  };
  try {
    const ended = provider.exec?.(OWNER, REF, 'main', { command, tty }, streams, new AbortController().signal);
    const exitCode = (await ended)?.exitCode ?? -1;
    stdout.end();
    stderr.end();
    const [out, err] = await outputs;
    return { exitCode, stdout: out, stderr: err };
  } finally {
    stdout.end();
    stderr.end();
  }
}

const sh = (script: string) => ['sh', '-c', script];

describe('a command in a container', () => {
  it('has its environment, its folder, its input and both outputs, and tells its exit code', () =>
    onPod({ workingDir: '/tmp' }, async (provider) => {
      const ran = await run(provider, sh('echo "$GREETING $(pwd)"; cat; echo err >&2; exit 7'), {
        stdin: Readable.from([Buffer.from('in')]),
      });
      expect(ran).toEqual({ exitCode: 7, stdout: 'hello /tmp\nin', stderr: 'err\n' });
    }));

  it.each<[string, string[], number, RegExp]>([
    ['a command that is not there', ['/nowhere/at-all'], 127, /not found/],
    ['a command that cannot be run', ['/etc/passwd'], 126, /ermission denied/],
    ['death by a signal', sh('kill -TERM $$'), 143, /^$/],
  ])('tells of %s', (_what, command, exitCode, stderr) =>
    onPod({}, async (provider) => {
      expect(await run(provider, command)).toMatchObject({ exitCode, stderr: expect.stringMatching(stderr) });
    }),
  );

  it('carries much in both directions, as fast as it is taken', () =>
    onPod({}, async (provider) => {
      const big = Buffer.alloc(5_000_000, 'zonelet ');
      const stdout = new PassThrough();
      const received = buffer(stdout);
      await provider.exec?.(
        OWNER,
        REF,
        'main',
        { command: ['cat'], tty: false },
        { stdin: Readable.from([big.subarray(0, 3_000_000), big.subarray(3_000_000)]), stdout },
        new AbortController().signal,
      );
      stdout.end();
      expect((await received).equals(big)).toBe(true);
    }));

  it('sees the volumes of the container', () =>
    onPod(
      { volumeMounts: [{ name: 'shared', mountPath: '/zonelet-shared' }] },
      async (provider) => {
        expect(await run(provider, sh('echo x >/zonelet-shared/file; ls /zonelet-shared'))).toMatchObject({
          exitCode: 0,
          stdout: 'file\n',
          stderr: '',
        });
      },
      { volumes: [{ name: 'shared', emptyDir: {} }] },
    ));

  it('ends with its caller', () =>
    onPod({}, async (provider) => {
      const stop = new AbortController();
      const script = 'echo begun >&2; echo $$ >>pids; sleep 100000';
      const stderr = new PassThrough();
      const ended = provider.exec?.(OWNER, REF, 'main', { command: sh(script), tty: false }, { stderr }, stop.signal);
      await new Promise((resolve) => stderr.once('data', resolve));
      stop.abort();
      expect(await ended?.catch(codeOf)).toBe('Aborted');
      const alive = 'for pid in $(cat pids); do kill -0 $pid 2>/dev/null && echo alive; done; :';
      await eventually('it is gone', async () => (await run(provider, sh(alive))).stdout === '' || undefined);
    }));

  it('ends with its container', () =>
    onPod({}, async (provider) => {
      const stderr = new PassThrough();
      const command = sh('echo begun >&2; sleep 100000');
      const signal = new AbortController().signal;
      const ended = provider.exec?.(OWNER, REF, 'main', { command, tty: false }, { stderr }, signal);
      await new Promise((resolve) => stderr.once('data', resolve));
      await provider.delete(REF, { gracePeriodSeconds: 0 }, operation());
      expect(await ended).toEqual({ exitCode: 137 });
    }));

  it('is refused for a pod, a container, a run that is not there', () =>
    onPod({}, async (provider) => {
      const signal = new AbortController().signal;
      const ask = (uid: string, container: string) =>
        provider.exec?.(OWNER, { ...REF, uid }, container, { command: ['true'], tty: false }, {}, signal).catch(codeOf);
      expect(await ask('none', 'main')).toBe('NotFound');
      expect(await ask('one', 'none')).toBe('NotFound');
      await provider.create(podOf('two', { command: ['true'] }, { restartPolicy: 'Never' }), operation());
      await eventually(
        'it has ended',
        async () => (await read(provider, 'two'))?.observation.containers[0]?.state.terminated,
      );
      expect(await ask('two', 'main')).toBe('Conflict');
    }));

  it.skipIf(findTerminal(RUNTIME.searchPath) === undefined)('runs on a terminal of the size that is told', () =>
    onPod({}, async (provider) => {
      const stdin = new PassThrough();
      async function* sizes() {
        yield { width: 123, height: 45 };
      }
      // The size comes on its own way: it is asked for until it is there.
      const script =
        'until [ "$(stty size)" = "45 123" ]; do sleep 0.05; done; tty >/dev/null && read line && echo "got $line"; exit 3';
      stdin.write('typed\n');
      const { exitCode, stdout } = await run(provider, sh(script), { stdin, tty: true, resizes: sizes() });
      expect(exitCode).toBe(3);
      expect(stdout).toContain('got typed\r\n');
    }),
  );
});

describe('a container', () => {
  const TALK = 'echo before; until [ -e begin ]; do sleep 0.05; done; until [ -e go ]; do echo tick; sleep 0.05; done';

  it('can be attached to: its output from now on, until it ends', () =>
    onPod({ command: sh(`${TALK}; echo after`) }, async (provider) => {
      await eventually('it has begun', async () => (await logOf(provider, 'one')) === 'before\n' || undefined);
      const stdout = new PassThrough();
      const heard = new Promise((resolve) => stdout.once('readable', resolve));
      const attached = provider.attach?.(OWNER, REF, 'main', { stdout }, new AbortController().signal);
      await run(provider, sh('touch begin'));
      await heard;
      await run(provider, sh('touch go'));
      const output = text(stdout);
      await attached;
      stdout.end();
      expect(await output).toMatch(/^(tick\n)+after\n$/);
    }));

  it('tells what it uses', () =>
    onPod({ command: sh('i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 100000') }, async (provider) => {
      const used = await eventually('it has used some', async () => {
        const [pod] = (await provider.stats?.(OWNER, reading())) ?? [];
        return (pod?.containers[0]?.cpu?.usageCoreNanoSeconds ?? 0) > 0 ? pod : undefined;
      });
      expect(used).toMatchObject({ ref: REF, containers: [{ name: 'main' }] });
      expect(used.containers[0]?.memory?.workingSetBytes).toBeGreaterThan(100_000);
    }));
});

describe('a port', () => {
  it('is forwarded, each direction to its own end', () =>
    onPod({}, async (provider) => {
      // Answers only once it has all that the other side sends.
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        void text(socket).then((all) => socket.end(`got ${all}`));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      try {
        const stream = await provider.portForward?.(OWNER, REF, port, new AbortController().signal);
        stream?.end('everything');
        expect(await text(stream as Readable)).toBe('got everything');
      } finally {
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
      const refused = provider.portForward?.(OWNER, REF, port, new AbortController().signal);
      expect(await refused?.catch(codeOf)).toBe('Unavailable');
    }));
});
