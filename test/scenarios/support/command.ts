/** `zonelet`, as an operator calls it on a scenario's set. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Play } from './play.ts';

const MAIN = join(import.meta.dirname, '../../../src/main.ts');

export interface Ended {
  readonly out: string;
  readonly err: string;
  readonly status: number | null;
}

export async function zonelet(play: Play, command: string, ...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, command, '--config', play.stage.configFile, ...args], {
    cwd: play.folder,
  });
  const [out, err, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { out, err, status };
}
