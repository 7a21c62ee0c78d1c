/** What is on disk: whole at any moment, and refused rather than misread when it is not ours. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { podOf } from '../../../test/support/web-client.ts';
import { newRecord, type PodRecord } from './pod-record.ts';
import { openStore } from './store.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zonelet-store-'));
  file = join(folder, 'state.log');
});

afterEach(() => rmSync(folder, { recursive: true }));

const open = () => openStore({ folder, zone: 'zone-a', runtime: 'simulated' });

function record(uid: string, owner = 'o'): PodRecord {
  return newRecord({ ...podOf(uid, { args: ['ä€𝄞'] }), owner, address: '198.18.0.1', createdAtMs: 1000 }, 1);
}

function content(): unknown {
  using store = open();
  return structuredClone({ fences: [...store.fences.values()], pods: store.found });
}

describe('the store', () => {
  it('gives back what was put, as it was put last', () => {
    {
      using store = open();
      store.putFence({ owner: 'o', epoch: 1, holder: 'a' });
      const kept = record('kept');
      store.putPod(kept);
      const gone = record('gone');
      store.putPod(gone);
      store.putPod(record('kept', 'other'));
      kept.state.epoch = 5;
      store.putState(kept);
      store.remove(gone);
      store.putFence({ owner: 'o', epoch: 5, holder: 'b' });
    }
    const kept = record('kept');
    kept.state.epoch = 5;
    expect(content()).toEqual({
      fences: [{ owner: 'o', epoch: 5, holder: 'b' }],
      pods: [kept, record('kept', 'other')],
    });
    expect(statSync(file).mode & 0o077, 'nobody else may read it').toBe(0);
  });

  it('is whole after every operation, whichever byte of the next was the last to be written', () => {
    const states: unknown[] = [content()];
    const ends = [statSync(file).size];
    const pods = ['a', 'b'].map((uid) => record(uid));
    const steps: ((store: ReturnType<typeof open>) => void)[] = [
      (store) => store.putFence({ owner: 'o', epoch: 1, holder: 'x' }),
      (store) => store.putPod(pods[0] as PodRecord),
      (store) => store.putPod(pods[1] as PodRecord),
      (store) => store.remove(pods[0] as PodRecord),
    ];
    for (const step of steps) {
      {
        using store = open();
        step(store);
      }
      ends.push(statSync(file).size);
      states.push(content());
    }
    const whole = readFileSync(file);
    for (let length = ends[0] as number; length < whole.length; length++) {
      writeFileSync(file, whole.subarray(0, length));
      const done = ends.findLastIndex((end) => end <= length);
      expect(content(), `cut at ${length}`).toEqual(states[done]);
      expect(statSync(file).size, 'the rest is cut off').toBe(ends[done]);
    }
  });

  it('goes on behind a torn end', () => {
    {
      using store = open();
      store.putPod(record('a'));
    }
    truncateSync(file, statSync(file).size - 7);
    {
      using store = open();
      expect(store.found).toEqual([]);
      store.putPod(record('b'));
    }
    expect(content()).toEqual({ fences: [], pods: [record('b')] });
  });

  it('refuses a file that is damaged in the middle', () => {
    {
      using store = open();
      store.putPod(record('a'));
      store.putPod(record('b'));
    }
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('"a"') + 1] = 'c'.charCodeAt(0);
    writeFileSync(file, bytes);
    expect(open).toThrow(
      expect.objectContaining({ code: 'Internal', message: expect.stringMatching(/damaged at byte \d+/) }),
    );
  });

  it.each([
    ['zone-b', 'simulated'],
    ['zone-a', 'process'],
  ])('refuses the data of another zone or runtime: %s, %s', (zone, runtime) => {
    open()[Symbol.dispose]();
    expect(() => openStore({ folder, zone, runtime })).toThrow(expect.objectContaining({ code: 'InvalidInput' }));
  });

  it('forgets history when there is much of it', () => {
    {
      using store = open();
      store.putFence({ owner: 'o', epoch: 3, holder: 'x' });
      const kept = record('kept');
      store.putPod(kept);
      const big = record('big');
      big.plan = { ...big.plan, hash: 'x'.repeat(1_000_000) };
      for (let i = 0; i < 20; i++) {
        store.putPod(big);
        kept.state.epoch = i;
        store.putState(kept);
      }
      store.remove(big);
      expect(statSync(file).size).toBeLessThan(12_000_000);
    }
    const kept = record('kept');
    kept.state.epoch = 19;
    expect(content()).toEqual({ fences: [{ owner: 'o', epoch: 3, holder: 'x' }], pods: [kept] });
  });
});
