/** Watch: level-triggered, begins with a snapshot, and begins anew when something may have been missed. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from './harness.ts';
import { exitCode, isRunning, OTHER_OWNER, onStage, type WatchRecord } from './stage.ts';

export function watching(harness: ConformanceHarness): void {
  describe('watch', () => {
    it(
      'begins with a whole snapshot',
      onStage(harness, async (stage) => {
        const pods = [await stage.running(), await stage.running()];
        const record = stage.watch();
        await stage.eventually('the snapshot is there', () => record.snapshots() > 0);
        expect(record.events[0]).toEqual({ type: 'sync-start' });
        const end = record.events.findIndex(({ type }) => type === 'sync-end');
        expect(record.events[end]).toEqual({
          type: 'sync-end',
          complete: true,
        });
        const seen = record.events.slice(0, end).flatMap((event) => (event.type === 'pod' ? [event.pod.ref.uid] : []));
        expect(new Set(seen)).toEqual(new Set(pods.map(({ ref }) => ref.uid)));
      }),
    );

    it(
      'gives an empty snapshot of nothing',
      onStage(harness, async (stage) => {
        const record = stage.watch();
        await stage.eventually('the snapshot is there', () => record.snapshots() > 0);
        expect(record.events.slice(0, 2)).toEqual([{ type: 'sync-start' }, { type: 'sync-end', complete: true }]);
      }),
    );

    it(
      'tells of a pod that runs, ends and goes, each time as a whole',
      onStage(harness, async (stage) => {
        const record = stage.watch();
        await stage.eventually('the snapshot is there', () => record.snapshots() > 0);
        const pod = stage.pod({ does: 'exit', code: 3 });
        await stage.create(pod);
        await stage.eventually('the watch shows exit code 3', () => exitCode(seen(record, pod.ref.uid)) === 3);
        expect(seen(record, pod.ref.uid)).toEqual(await stage.get(pod.ref));
        await stage.delete(pod.ref, 0);
        await stage.eventually('the watch shows it gone', () => record.last(pod.ref.uid)?.type === 'gone');
        expect(record.ended).toBeUndefined();
      }),
    );

    it(
      'tells every watcher, and nothing of another owner',
      onStage(harness, async (stage) => {
        const records = [stage.watch(), stage.watch(stage.connect()), stage.watch(stage.connect(), OTHER_OWNER)];
        await stage.eventually('the snapshots are there', () => records.every((record) => record.snapshots() > 0));
        const pod = await stage.running();
        await stage.eventually('both have seen it', () =>
          records.slice(0, 2).every((record) => isRunning(seen(record, pod.ref.uid))),
        );
        expect(records[2]?.last(pod.ref.uid)).toBeUndefined();
      }),
    );

    it(
      'begins anew after a restart of the backend',
      onStage(harness, async (stage) => {
        const restart = stage.backend.restart?.bind(stage.backend);
        if (restart === undefined) return stage.skip('the harness cannot restart the backend');
        const pod = await stage.running();
        const record = stage.watch();
        await stage.eventually('the snapshot is there', () => record.snapshots() > 0);
        await restart();
        await stage.eventually('a second snapshot is there', () => record.snapshots() > 1);
        const second = record.events.findLastIndex(({ type }) => type === 'sync-start');
        const after = record.events.slice(second).flatMap((event) => (event.type === 'pod' ? [event.pod.ref.uid] : []));
        expect(after).toContain(pod.ref.uid);
        expect(record.ended).toBeUndefined();
      }),
    );

    it(
      'shows after a break what happened during it',
      onStage(harness, async (stage) => {
        const cut = stage.backend.unreachable?.bind(stage.backend);
        const exit = stage.backend.exit?.bind(stage.backend);
        if (cut === undefined || exit === undefined)
          return stage.skip('the harness cannot cut the backend off, or end a container');
        const pod = await stage.running();
        const record = stage.watch();
        await stage.eventually('the snapshot is there', () => record.snapshots() > 0);
        await cut(true);
        await exit(stage.operation().owner, pod.ref, 5);
        await cut(false);
        await stage.eventually('a second snapshot is there', () => record.snapshots() > 1);
        const container = seen(record, pod.ref.uid)?.observation.containers[0];
        expect((container?.lastState ?? container?.state)?.terminated?.exitCode).toBe(5);
      }),
    );

    it(
      'ends when its signal aborts',
      onStage(harness, async (stage) => {
        const stop = new AbortController();
        const ended = (async () => {
          for await (const event of stage.provider.watch(stage.operation().owner, stop.signal)) {
            if (event.type === 'sync-end') stop.abort();
          }
          return true;
        })();
        expect(await ended).toBe(true);
      }),
    );
  });
}

function seen(record: WatchRecord, uid: string) {
  const event = record.last(uid);
  return event?.type === 'pod' ? event.pod : undefined;
}
