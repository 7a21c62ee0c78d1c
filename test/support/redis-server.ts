/** A real Redis server as a process of its own, to be killed, frozen and started again on its port and data. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../src/clock.ts';
import { freePorts } from '../../src/commands/demo/free-ports.ts';

/** Whether there is a redis-server here. What needs one is skipped where there is none, and says so (`test/programs.ts`). */
export const hasRedisServer = spawnSync('redis-server', ['--version']).status === 0;

/** Linux ends the server with the process that started it, however that ends; elsewhere only an orderly end does. */
const DIE_WITH_US = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--'] : [];

export interface RedisServerOptions {
  /** More arguments of redis-server: `['--requirepass', 'x']`. */
  readonly args?: readonly string[];
  /** Keep every write on disk, so that a restart finds it. @defaultValue false */
  readonly persistent?: boolean;
}

export interface RedisServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Runs a command as `redis-cli` does, and returns what it prints. */
  command(...args: readonly string[]): string;
  /** Sends the signal; resolves once the process is gone where the signal ends it. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** On the same port and folder. Resolves once it listens. */
  start(): Promise<void>;
}

/** Listens when this resolves. */
export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-redis-'));
  const [port = 0] = await freePorts(systemRandom, 1);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const keeping =
      options.persistent === true ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
    const place = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
    const line = [...DIE_WITH_US, 'redis-server', ...place, ...keeping, ...(options.args ?? [])];
    const started = spawn(line[0] ?? '', line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        output += chunk;
        if (output.includes('Ready to accept connections')) resolve();
      };
      started.stdout.on('data', read);
      started.stderr.on('data', read);
      started.once('exit', () => reject(new Error(`redis-server ended: ${output}`)));
    });
  }

  async function kill(signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ends = signal !== 'SIGSTOP' && signal !== 'SIGCONT';
    const exited = ends ? once(child, 'exit') : undefined;
    child.kill(signal);
    await exited;
  }

  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    command(...args) {
      const { status, stdout, stderr } = spawnSync('redis-cli', ['-p', `${port}`, ...args], { encoding: 'utf8' });
      if (status !== 0) throw new Error(`redis-cli ${args.join(' ')}: ${stdout}${stderr}`);
      return stdout.trimEnd();
    },
    kill,
    start,
    async [Symbol.asyncDispose]() {
      // A frozen process takes SIGKILL too.
      await kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
