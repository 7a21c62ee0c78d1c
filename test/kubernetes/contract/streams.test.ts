/** kubectl exec, attach and port-forward through an API server to the kubelet API, over WebSocket and over SPDY. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { startApiServer } from '../../../src/local-cluster/api-server/start-api-server.ts';
import { silentLogger } from '../../../src/log.ts';
import { HAS_KUBECTL } from '../../scenarios/support/kubectl.ts';
import { API_SERVER, missing } from '../binaries.ts';
import { startControlPlane } from '../control-plane.ts';
import { OWNER, type StreamNode, startStreamNode } from './stream-node.ts';

const absent = missing(API_SERVER);
if (!HAS_KUBECTL) console.log('skipped: kubectl exec and the like; install kubectl 1.32 or newer to test it');
else if (absent.length > 0) console.log(`only through the embedded API server, for want of ${absent.join(' and ')}`);

interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * An API server begins a WebSocket with an empty message on its lowest channel. kubectl grumbles about one that comes
 * before it has its channels together, and loses nothing.
 */
const TOO_EARLY = /^E.* websocket\.go:\d+\] Unknown stream id \d+, discarding message\n/gm;

const PROTOCOLS = [
  ['WebSocket', {}],
  ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
] as const;

const CLUSTERS = absent.length > 0 ? (['embedded'] as const) : (['embedded', 'real'] as const);

describe.skipIf(!HAS_KUBECTL).each(CLUSTERS)('streams through the %s API server', (cluster) => {
  let node: StreamNode;
  let variables: Readonly<Record<string, string>> = {};
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    if (cluster === 'embedded') {
      const server = stack.use(
        await startApiServer({
          host: '127.0.0.1',
          port: 0,
          clock: systemClock,
          random: systemRandom,
          log: silentLogger,
        }),
      );
      node = stack.use(await startStreamNode({ server: server.url, ca: server.ca, token: server.adminToken }));
    } else {
      const folder = mkdtempSync(join(tmpdir(), 'zonelet-streams-'));
      stack.defer(() => rmSync(folder, { recursive: true, force: true }));
      const plane = stack.use(await startControlPlane({ folder, apiServerOnly: true }));
      node = stack.use(await startStreamNode(plane));
    }
    // A server that has only just started may refuse the first one: what it refuses for good, the tests say.
    for (let tries = 0; tries < 20; tries++) {
      if ((await run(['exec', 'web', '--', 'echo'])).code === 0) break;
    }
  }, 180_000);
  afterAll(async () => {
    await stack.disposeAsync();
  });

  function start(args: readonly string[]): ChildProcessWithoutNullStreams & Disposable {
    const env = { ...process.env, ...variables };
    const child = spawn('kubectl', ['--kubeconfig', node.kubeconfig, ...args], { env });
    child.stdin.on('error', () => {});
    return Object.assign(child, { [Symbol.dispose]: () => void child.kill('SIGKILL') });
  }

  async function run(args: readonly string[], input: Buffer | string = ''): Promise<Result> {
    const child = start(args);
    child.stdin.end(input);
    return await result(child);
  }

  async function result(child: ChildProcessWithoutNullStreams): Promise<Result> {
    const [stdout, stderr, code] = await Promise.all([
      buffer(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('close', resolve)),
    ]);
    return { code, stdout, stderr: stderr.replace(TOO_EARLY, '') };
  }

  describe.each(PROTOCOLS)('kubectl over %s', (_name, chosen) => {
    beforeEach(() => {
      variables = chosen;
    });

    test('exec gives the output and the exit code', async () => {
      const echo = await run(['exec', 'web', '--', 'echo', 'hello', 'wörld']);
      expect([echo.code, echo.stdout.toString(), echo.stderr]).toEqual([0, 'hello wörld\n', '']);
      const exit = await run(['exec', 'web', '--', 'exit', '3']);
      expect([exit.code, exit.stderr]).toEqual([3, 'command terminated with exit code 3\n']);
      const unknown = await run(['exec', 'web', '--', 'sh', '-c', 'true']);
      expect(unknown.code).toBe(127);
      expect(unknown.stderr).toContain('sh: not found');
    });

    test('exec -i carries megabytes both ways unharmed, and the end of the input', async () => {
      const input = randomBytes(5_000_000);
      const { code, stdout } = await run(['exec', '-i', 'web', '--', 'cat'], input);
      expect(code).toBe(0);
      expect(md5(stdout)).toBe(md5(input));
    });

    test('exec -it tells the size of the terminal, at first and when it changes', async () => {
      // A terminal of its own, which `script` gives it.
      const kubectl = `kubectl --kubeconfig ${node.kubeconfig} exec -it web -- stty size`;
      const command = `stty cols 91 rows 33; (read _; stty cols 120 rows 40 </dev/tty) <&3 & ${kubectl}`;
      const env = { ...process.env, ...variables };
      const stdio = ['pipe', 'pipe', 'pipe', 'pipe'] as const;
      const child = spawn('script', ['-qc', command, '/dev/null'], { env, stdio: [...stdio] });
      let seen = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        seen += chunk.toString();
      });
      await until(
        () => seen.includes('33 91'),
        () => seen,
      );
      (child.stdio[3] as Writable).end('go on\n');
      await until(
        () => seen.includes('40 120'),
        () => seen,
      );
      child.kill('SIGKILL');
    });

    test('attach shows what the container writes from then on', async () => {
      using attached = start(['attach', 'web', '-c', 'main']);
      let seen = '';
      attached.stdout.on('data', (chunk: Buffer) => {
        seen += chunk.toString();
      });
      // When it is attached is not told: what is written before that is not for it.
      await until(
        () => {
          node.backend.write(OWNER, node.podUid, 'main', 'ping');
          return seen.includes('ping');
        },
        () => seen,
      );
    });

    test('port-forward carries megabytes over several connections at once', async () => {
      using forward = start(['port-forward', 'pod/web', ':8080']);
      let told = '';
      forward.stdout.on('data', (chunk: Buffer) => {
        told += chunk.toString();
      });
      await until(
        () => /127\.0\.0\.1:(\d+)/.test(told),
        () => told,
      );
      const port = Number(/127\.0\.0\.1:(\d+)/.exec(told)?.[1]);
      const echoes = await Promise.all(
        [1, 2, 3, 4].map(async () => {
          const sent = randomBytes(2_000_000);
          // Only our own end closes it: kubectl waits for the pod's.
          const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
          await once(socket, 'connect');
          socket.end(sent);
          return md5(await buffer(socket)) === md5(sent);
        }),
      );
      expect(echoes).toEqual([true, true, true, true]);
    });

    test('what cannot be had is refused in words', async () => {
      const container = await run(['exec', 'web', '-c', 'other', '--', 'echo']);
      expect([container.code, container.stderr]).toEqual([1, expect.stringContaining('other')]);
    });
  });

  test('the end of a term ends what runs, in words and at once', async () => {
    const children = PROTOCOLS.map(([, chosen]) => {
      variables = chosen;
      return start(['exec', '-i', 'web', '--', 'cat']);
    });
    for (const child of children) {
      child.stdin.write('x');
      await once(child.stdout, 'data');
    }
    const results = children.map(result);
    node.loseTerm();
    for (const { code, stderr } of await Promise.all(results)) {
      expect([code, stderr]).toEqual([1, expect.stringContaining('does not lead zone zone-a any more')]);
    }
    const after = await run(['exec', 'web', '--', 'echo']);
    expect(after.code).toBe(1);
  });
});

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

async function until(check: () => boolean, what: () => string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (check()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it did not come to pass; seen: ${what()}`);
}
