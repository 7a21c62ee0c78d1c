/** kubectl exec, attach and port-forward through a real API server to the kubelet API, over WebSocket and over SPDY. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HAS_KUBECTL } from '../scenarios/support/kubectl.ts';
import { API_SERVER, missing } from './binaries.ts';
import { startControlPlane } from './control-plane.ts';
import { type StreamNode, startStreamNode } from './stream-node.ts';

const absent = [...(HAS_KUBECTL ? [] : ['kubectl']), ...missing(API_SERVER)];
if (absent.length > 0) console.log(`skipped: kubectl exec and the like, for want of ${absent.join(' and ')}`);

interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const PROTOCOLS = [
  ['WebSocket', {}],
  ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
] as const;

describe.skipIf(absent.length > 0).each(PROTOCOLS)('kubectl over %s', (_name, variables) => {
  let node: StreamNode;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'zonelet-streams-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const plane = stack.use(await startControlPlane({ folder, apiServerOnly: true }));
    node = stack.use(await startStreamNode(plane));
  }, 180_000);
  afterAll(async () => {
    await stack.disposeAsync();
  });

  function start(...args: string[]) {
    return spawn('kubectl', ['--kubeconfig', node.kubeconfig, ...args], { env: { ...process.env, ...variables } });
  }

  async function run(args: readonly string[], input: Buffer | string = ''): Promise<Result> {
    const child = start(...args);
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const [stdout, stderr, code] = await Promise.all([
      buffer(child.stdout),
      text(child.stderr),
      new Promise<number | null>((resolve) => child.once('close', resolve)),
    ]);
    return { code, stdout, stderr };
  }

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
    expect(createHash('md5').update(stdout).digest('hex')).toBe(createHash('md5').update(input).digest('hex'));
  });
});
