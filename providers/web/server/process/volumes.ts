/**
 * Volumes of a pod as folders. One whose content Kubernetes gives is laid out as the kubelet does it: the files are in a
 * folder that `..data` links to, and what is in the volume links through it, so that one rename switches all of it.
 */
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { VolumeContent, VolumeFile } from '../../../../src/provider/contract.ts';

const DATA = '..data';

/** Where a pod's volume is; a dot, so that no container can have the name. */
export function volumeFolder(podFolder: string, name: string): string {
  return join(podFolder, '.volumes', name);
}

/** Does nothing when the same is there already. */
export function writeVolume(folder: string, { files }: VolumeContent): void {
  if (holds(folder, files)) return;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const before = linkOf(join(folder, DATA));
  const next = `..${randomUUID()}`;
  mkdirSync(join(folder, next), { mode: 0o755 });
  for (const { path, content, mode } of files) {
    const file = join(folder, next, path);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    writeFileSync(file, content, { mode: 0o600 });
    // Not as the umask would have it.
    chmodSync(file, mode);
  }
  const link = join(folder, `${DATA}_new`);
  rmSync(link, { force: true });
  symlinkSync(next, link);
  renameSync(link, join(folder, DATA));
  const shown = new Set(files.map(({ path }) => path.split('/')[0] ?? ''));
  for (const name of shown) {
    if (linkOf(join(folder, name)) === undefined) symlinkSync(`${DATA}/${name}`, join(folder, name));
  }
  for (const name of readdirSync(folder)) {
    // Whatever an earlier process of the backend left half done goes with what is old.
    if (name.startsWith('..') ? name !== DATA && name !== next : !shown.has(name)) remove(join(folder, name));
  }
  if (before !== undefined) remove(join(folder, before));
}

function remove(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

function linkOf(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(path) : undefined;
}

function holds(folder: string, files: readonly VolumeFile[]): boolean {
  const data = join(folder, DATA);
  if (linkOf(data) === undefined) return false;
  const there = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory());
  return (
    there.length === files.length &&
    files.every(({ path, content, mode }) => {
      const stat = statSync(join(data, path), { throwIfNoEntry: false });
      if (stat?.isFile() !== true || (stat.mode & 0o777) !== mode || stat.size !== content.byteLength) return false;
      return readFileSync(join(data, path)).equals(content);
    })
  );
}
