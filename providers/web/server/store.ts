/**
 * What must outlive the backend's process: fences and pods, as an append-only file of checked lines that is rewritten
 * when most of it is history. Every write has reached the kernel when the call returns, so that a SIGKILL at any moment
 * loses nothing that was answered; the fence has reached the disk.
 */
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { messageOf, ZoneletError } from '../../../src/errors.ts';
import type { Fence } from '../../../src/provider/contract.ts';
import type { ZoneSwitch } from '../protocol.ts';
import type { PodRecord, PodState } from './pod-record.ts';

export interface FenceRecord extends Pick<Fence, 'owner' | 'epoch' | 'holder'> {}

/** One line. A pod's plan is written once, its state as often as it changes. */
type Line =
  | { readonly head: { readonly version: 1; readonly zone: string; readonly runtime: string } }
  | { readonly fence: FenceRecord }
  | { readonly zone: ZoneSwitch }
  | { readonly pod: PodRecord }
  | { readonly state: { readonly uid: string; readonly owner: string; readonly state: PodState } }
  | { readonly gone: { readonly uid: string; readonly owner: string } };

export interface StoreOptions {
  readonly folder: string;
  readonly zone: string;
  readonly runtime: string;
}

export interface Store extends Disposable {
  /** What was found, and then as it was put. */
  readonly fences: ReadonlyMap<string, FenceRecord>;
  /** What an operator said of the zone last. */
  readonly zone: ZoneSwitch;
  /** What was found, in the order of creation. */
  readonly found: readonly PodRecord[];
  putFence(fence: FenceRecord): void;
  putZone(zone: ZoneSwitch): void;
  putPod(record: PodRecord): void;
  /** For a pod that was put before. */
  putState(record: PodRecord): void;
  remove(record: PodRecord): void;
}

/** Below this size history costs nothing worth a rewrite. */
const REWRITE_FROM_BYTES = 8 * 1024 * 1024;
/** Rewritten when it has grown to so many times what was live then. */
const REWRITE_FACTOR = 3;

/** Throws `InvalidInput` when the folder is of another zone or runtime, `Internal` when it is damaged. */
export function openStore({ folder, zone, runtime }: StoreOptions): Store {
  const file = join(folder, 'state.log');
  const fences = new Map<string, FenceRecord>();
  const pods = new Map<string, PodRecord>();
  let zoneSwitch: ZoneSwitch = { state: 'Up', reason: '' };
  const head: Line = { head: { version: 1, zone, runtime } };

  const read = readLines(file);
  const first = read.lines[0];
  if (first !== undefined) checkHead(first, zone, runtime, file);
  for (const line of read.lines) {
    if ('zone' in line) zoneSwitch = line.zone;
    else apply(line, fences, pods);
  }
  let fd = openSync(file, 'a', 0o600);
  // What was being written when the process was killed was never answered.
  ftruncateSync(fd, read.goodBytes);
  let size = read.goodBytes;
  let rewriteAt = Math.max(REWRITE_FROM_BYTES, size * REWRITE_FACTOR);
  if (first === undefined) append(head);
  const found = [...pods.values()];

  function append(line: Line): void {
    const bytes = encode(line);
    try {
      writeAll(fd, bytes);
    } catch (error) {
      // Half a line in the middle would make the rest unreadable.
      ftruncateSync(fd, size);
      throw new ZoneletError('Unavailable', `cannot write ${file}: ${messageOf(error)}`, { cause: error });
    }
    size += bytes.byteLength;
  }

  function rewriteIfDue(): void {
    if (size < rewriteAt) return;
    const next = openSync(`${file}.new`, 'w', 0o600);
    let written = 0;
    const put = (line: Line): void => {
      const bytes = encode(line);
      writeAll(next, bytes);
      written += bytes.byteLength;
    };
    put(head);
    for (const fence of fences.values()) put({ fence });
    put({ zone: zoneSwitch });
    for (const pod of pods.values()) put({ pod });
    fsyncSync(next);
    closeSync(next);
    renameSync(`${file}.new`, file);
    syncFolder(folder);
    closeSync(fd);
    fd = openSync(file, 'a', 0o600);
    size = written;
    rewriteAt = Math.max(REWRITE_FROM_BYTES, size * REWRITE_FACTOR);
  }

  return {
    fences,
    get zone() {
      return zoneSwitch;
    },
    found,
    putFence(fence) {
      append({ fence });
      fdatasyncSync(fd);
      fences.set(fence.owner, fence);
    },
    putZone(zone) {
      append({ zone });
      fdatasyncSync(fd);
      zoneSwitch = zone;
    },
    putPod(record) {
      append({ pod: record });
      pods.set(keyOf(record.plan.owner, record.plan.ref.uid), record);
      rewriteIfDue();
    },
    putState({ plan, state }) {
      append({ state: { uid: plan.ref.uid, owner: plan.owner, state } });
      rewriteIfDue();
    },
    remove({ plan: { ref, owner } }) {
      append({ gone: { uid: ref.uid, owner } });
      pods.delete(keyOf(owner, ref.uid));
      rewriteIfDue();
    },
    [Symbol.dispose]() {
      fdatasyncSync(fd);
      closeSync(fd);
    },
  };
}

function apply(line: Line, fences: Map<string, FenceRecord>, pods: Map<string, PodRecord>): void {
  if ('fence' in line) fences.set(line.fence.owner, line.fence);
  else if ('pod' in line) pods.set(keyOf(line.pod.plan.owner, line.pod.plan.ref.uid), line.pod);
  else if ('gone' in line) pods.delete(keyOf(line.gone.owner, line.gone.uid));
  else if ('state' in line) {
    const key = keyOf(line.state.owner, line.state.uid);
    const pod = pods.get(key);
    if (pod !== undefined) pods.set(key, { plan: pod.plan, state: line.state.state });
  }
}

function checkHead(line: Line, zone: string, runtime: string, file: string): void {
  if (!('head' in line) || line.head.version !== 1) {
    throw new ZoneletError('InvalidInput', `${file} was not written by this version of the backend`);
  }
  if (line.head.zone !== zone || line.head.runtime !== runtime) {
    throw new ZoneletError(
      'InvalidInput',
      `${file} is of zone ${line.head.zone} with runtime ${line.head.runtime}, not of ${zone} with ${runtime}`,
    );
  }
}

function encode(line: Line): Buffer {
  const text = JSON.stringify(line);
  return Buffer.from(`${checksum(text)} ${text}\n`);
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

/** Every good line; a broken one is only forgiven at the end, where a killed process leaves it. */
function readLines(file: string): { readonly lines: readonly Line[]; readonly goodBytes: number } {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { lines: [], goodBytes: 0 };
    throw error;
  }
  const lines: Line[] = [];
  let start = 0;
  let broken: number | undefined;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const line = decode(bytes.toString('utf8', start, end));
    if (line === undefined) broken ??= start;
    else if (broken !== undefined) {
      throw new ZoneletError(
        'Internal',
        `${file} is damaged at byte ${broken}; restore it, or remove it with its pods`,
      );
    } else lines.push(line);
    start = end + 1;
  }
  return { lines, goodBytes: broken ?? start };
}

function decode(text: string): Line | undefined {
  const json = text.slice(9);
  if (text.slice(0, 9) !== `${checksum(json)} `) return undefined;
  return JSON.parse(json) as Line;
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(fd, bytes, done);
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

function keyOf(owner: string, uid: string): string {
  return `${owner}\n${uid}`;
}
