/** The backend as a process that is killed: what it answered, and what runs, is there when it is back. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf } from '../../../src/errors.ts';
import { startBackendProcess } from '../../../test/support/backend-process.ts';
import {
  connectTo,
  eventually,
  logOf,
  OWNER,
  operation,
  podOf,
  read,
  reading,
} from '../../../test/support/web-client.ts';
import { endProcesses } from '../../../test/support/web-conformance.ts';
import { podKey } from './pod-record.ts';

let folder: string;
let args: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'zonelet-survival-'));
  args = ['--zone', 'zone-a', '--data', join(folder, 'data'), '--journal', join(folder, 'journal')];
});

afterEach(async () => {
  await endProcesses(join(folder, 'data'));
  await rm(folder, { recursive: true, maxRetries: 5 });
});

interface Line {
  readonly op: string;
  readonly uid?: string;
  readonly name?: string;
  readonly epoch: number;
  readonly outcome: string;
  readonly reason?: string;
}

async function journal(): Promise<Line[]> {
  const text = await readFile(join(folder, 'journal'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

const main = (pod: Awaited<ReturnType<typeof read>>) => pod?.observation.containers.find(({ name }) => name === 'main');

describe('a backend that is killed', () => {
  it('finds its fence, its pods, their exit codes and their logs again', { timeout: 60_000 }, async () => {
    const first = await startBackendProcess([...args, '--runtime', 'process']);
    await using _first = first;
    const before = connectTo({ url: first.url });
    await using _before = before;
    await before.claim?.(operation({ epoch: 7 }));
    const leader = operation({ epoch: 7 });
    const go = join(folder, 'go');
    // Each waits for a file, writes a line once it is there, and goes on or ends.
    const wait = `until [ -e ${go} ]; do sleep 0.1; done; echo later`;
    const sh = (script: string) => ({ command: ['sh', '-c', script] });
    await before.create(podOf('runs', sh(`echo early; ${wait}; exec sleep 100000`)), leader);
    await before.create(podOf('ends', sh(`${wait}; exit 7`), { restartPolicy: 'Never' }), leader);
    await before.create(podOf('ended', sh('exit 3'), { restartPolicy: 'Never' }), leader);
    await eventually('one has ended', async () => main(await read(before, 'ended'))?.state.terminated);
    await eventually('one has written', async () => (await logOf(before, 'runs')) === 'early\n' || undefined);
    const running = await read(before, 'runs');
    const pidFile = join(folder, 'data', 'pods', podKey(OWNER, 'runs'), 'main', '0', 'pid');
    const pid = await readFile(pidFile, 'utf8');

    await first.kill('SIGKILL');
    await writeFile(go, '');
    // Without a backend its containers go on, to their end.
    const exitFile = join(folder, 'data', 'pods', podKey(OWNER, 'ends'), 'main', '0', 'exit');
    await eventually('it ended meanwhile', async () => {
      const text = await readFile(exitFile, 'utf8').catch(() => '');
      return text.endsWith('\n') || undefined;
    });

    const second = await startBackendProcess([...args, '--runtime', 'process']);
    await using _second = second;
    const after = connectTo({ url: second.url });
    await using _after = after;
    expect(await after.claim?.(operation({ epoch: 6 })).catch(codeOf)).toBe('Fenced');
    expect(await after.claim?.(operation({ epoch: 7, holder: 'replica-1' })).catch(codeOf)).toBe('Fenced');
    expect(main(await read(after, 'ends'))?.state.terminated).toMatchObject({ exitCode: 7, reason: 'Error' });
    expect(main(await read(after, 'ended'))?.state.terminated).toMatchObject({ exitCode: 3 });
    expect(await read(after, 'runs')).toEqual(running);
    expect(await readFile(pidFile, 'utf8')).toBe(pid);
    await eventually('its log goes on', async () => (await logOf(after, 'runs')) === 'early\nlater\n' || undefined);
    expect((await after.create(podOf('runs'), operation({ epoch: 7 }))).outcome).toBe('adopted');
    expect((await after.list(OWNER, reading())).pods).toHaveLength(3);

    const done = await after.delete(podOf('runs').ref, { gracePeriodSeconds: 30 }, operation({ epoch: 8 }));
    if (done.state === 'stopping') {
      await eventually('it has ended', async () => main(await read(after, 'runs'))?.state.terminated);
      const gone = await after.delete(podOf('runs').ref, { gracePeriodSeconds: 30 }, operation({ epoch: 8 }));
      expect(gone).toMatchObject({ state: 'gone' });
      expect(gone.state === 'gone' ? gone.last?.containers[0]?.state.terminated?.exitCode : 0).toBe(143);
    }
    const creates = (await journal()).filter(({ op, uid }) => op === 'create' && uid === 'runs');
    expect(creates.map(({ outcome }) => outcome)).toEqual(['accepted', 'adopted']);
  });

  it('loses nothing that it answered, wherever it is cut off', { timeout: 60_000 }, async () => {
    const answered = new Set<string>();
    for (let round = 0; round < 2; round++) {
      const backend = await startBackendProcess(args);
      await using _backend = backend;
      const provider = connectTo({ url: backend.url });
      await using _provider = provider;
      const epoch = round + 1;
      await provider.claim?.(operation({ epoch }));
      expect((await provider.list(OWNER, reading())).pods.map(({ ref }) => ref.uid)).toEqual(
        expect.arrayContaining([...answered]),
      );
      // The kill falls somewhere into these.
      let count = 0;
      const creates = Array.from({ length: 200 }, async (_, i) => {
        const uid = `u-${round}-${i}`;
        await provider.create(podOf(uid), operation({ epoch }));
        answered.add(uid);
        if (++count === 60) backend.child.kill('SIGKILL');
      });
      await Promise.allSettled(creates);
      await backend.kill('SIGKILL');
      // As if it had been killed in the middle of a write.
      await appendFile(join(folder, 'data', 'state.log'), 'deadbeef {"pod":{"plan":{"ow');
    }
    const backend = await startBackendProcess(args);
    await using _backend = backend;
    const provider = connectTo({ url: backend.url });
    await using _provider = provider;
    const { pods } = await provider.list(OWNER, reading());
    const uids = pods.map(({ ref }) => ref.uid);
    expect(answered.size).toBeGreaterThanOrEqual(120);
    expect(uids).toEqual(expect.arrayContaining([...answered]));
    expect(new Set(pods.flatMap(({ observation }) => observation.podIPs)).size).toBe(pods.length);
    expect(await provider.create(podOf('late'), operation({ epoch: 1 })).catch(codeOf)).toBe('Fenced');
    const accepted = (await journal()).filter(({ op, outcome }) => op === 'create' && outcome === 'accepted');
    expect(new Set(accepted.map(({ uid }) => uid)).size, 'no UID was created twice').toBe(accepted.length);
  });

  it('stops in good order, says where it listens, and works alone in its folder', { timeout: 60_000 }, async () => {
    const backend = await startBackendProcess(args);
    await using _backend = backend;
    expect(backend.stdout).toBe(`zonelet backend: zone zone-a, runtime simulated, listening on ${backend.url}\n`);
    await expect(startBackendProcess(args)).rejects.toThrow(/ended with 2: .*another backend works in/s);
    const provider = connectTo({ url: backend.url });
    await using _provider = provider;
    await provider.create(podOf('one'), operation());
    expect(await backend.kill('SIGTERM')).toBe(0);
    expect(await journal()).toEqual([
      { t: expect.any(Number), op: 'create', uid: 'one', name: 'default/pod-one', epoch: 1, outcome: 'accepted' },
    ]);
    const other = ['--zone', 'zone-b', ...args.slice(2)];
    await expect(startBackendProcess(other)).rejects.toThrow(/ended with 2: .*of zone zone-a/s);
  });
});
