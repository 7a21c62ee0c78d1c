/** Files of a volume, put together from its sources; a later one of the same path takes the place of an earlier one. */
import type { VolumeFile } from '../../provider/contract.ts';
import { Missing } from './missing.ts';

const MAX_PATH = 4_096;
const MAX_NAME = 255;

/** What the API server fills in where a pod names no mode. */
export const DEFAULT_MODE = 0o644;

export class VolumeFiles {
  readonly #files = new Map<string, VolumeFile>();

  /** `Missing` for a path that leads out of the volume or is none. */
  put(path: string, content: Uint8Array, mode: number): void {
    const clean = cleanPath(path);
    this.#files.set(clean, { path: clean, content, mode });
  }

  /** `Missing` when one path is a file and a directory. */
  get list(): readonly VolumeFile[] {
    for (const path of this.#files.keys()) {
      for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
        const parent = path.slice(0, end);
        if (this.#files.has(parent))
          throw new Missing(`invalid path: ${parent} is a file, and a directory for ${path}`);
      }
    }
    return [...this.#files.values()];
  }
}

/** As a kubelet checks and cleans what it writes (`validatePath` of its atomic writer). */
export function cleanPath(path: string): string {
  if (path === '') throw new Missing('invalid path: must not be empty: ""');
  if (path.startsWith('/')) throw new Missing(`invalid path: must be relative path: ${path}`);
  if (path.includes('\0')) throw new Missing('invalid path: must not contain NUL');
  if (path.length > MAX_PATH) {
    throw new Missing(`invalid path: must be less than or equal to ${MAX_PATH} characters`);
  }
  const parts = path.split('/');
  if (parts.includes('..')) throw new Missing(`invalid path: must not contain '..': ${path}`);
  // These names are the writer's own.
  if (parts[0]?.startsWith('..') === true) throw new Missing(`invalid path: must not start with '..': ${path}`);
  if (parts.some((part) => Buffer.byteLength(part) > MAX_NAME)) {
    throw new Missing(`invalid path: filenames must be less than or equal to ${MAX_NAME} characters`);
  }
  const clean = parts.filter((part) => part !== '' && part !== '.').join('/');
  if (clean === '') throw new Missing(`invalid path: names no file: ${path}`);
  return clean;
}
