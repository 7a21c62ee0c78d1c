/** The stock kubectl of this machine, against a scenario's cluster. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { Play } from './play.ts';

export const HAS_KUBECTL = spawnSync('kubectl', ['version', '--client']).status === 0;
export const NO_KUBECTL = 'skipped: what kubectl shows of virtual nodes; install kubectl 1.32 or newer to test it';

/** Its stdout. Throws with its stderr when it fails. Waits without blocking: the history is recorded meanwhile. */
export async function kubectl(play: Play, args: readonly string[], input?: string): Promise<string> {
  const child = spawn('kubectl', ['--kubeconfig', play.stage.kubeconfig, ...args], { timeout: 90_000 });
  child.stdin.end(input ?? '');
  const [stdout, stderr, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve)),
  ]);
  if (status !== 0) throw new Error(`kubectl ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`);
  return stdout;
}

export interface Following extends Disposable {
  readonly lines: readonly string[];
  readonly child: ChildProcess;
}

/** A command that goes on, such as `logs -f`; its lines as they come. */
export function follow(play: Play, args: readonly string[]): Following {
  const child = spawn('kubectl', ['--kubeconfig', play.stage.kubeconfig, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  return {
    lines,
    child,
    [Symbol.dispose]() {
      child.kill('SIGKILL');
    },
  };
}
