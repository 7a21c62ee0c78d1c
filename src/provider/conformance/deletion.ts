/** Delete: stops with grace, keeps what it stopped until it is told twice, and finds nothing wrong with what is not there. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from './harness.ts';
import { exitCode, isRunning, onStage } from './stage.ts';

export function deletion(harness: ConformanceHarness): void {
  describe('delete', () => {
    it(
      'answers gone for a UID that never was',
      onStage(harness, async (stage) => {
        expect(await stage.delete(stage.pod().ref, 30)).toEqual({
          state: 'gone',
        });
      }),
    );

    it(
      'stops a running pod, shows its exit codes, and is gone in the end',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running();
        let result = await stage.delete(ref, 30);
        if (result.state === 'stopping') {
          expect(result.pod.deleting).toBe(true);
          await stage.eventually('its containers have ended', async () => !isRunning(await stage.get(ref)));
          const stopped = await stage.get(ref);
          expect(stopped, 'it stays visible until delete is called again').toBeDefined();
          expect(stopped?.deleting).toBe(true);
          expect(exitCode(stopped)).toBeTypeOf('number');
          result = await stage.delete(ref, 30);
        }
        expect(result.state).toBe('gone');
        expect(result.state === 'gone' ? result.last?.containers[0]?.state.terminated?.exitCode : undefined).toBeTypeOf(
          'number',
        );
        expect(await stage.get(ref)).toBeUndefined();
        expect(await stage.uids()).toEqual([]);
        expect((await stage.delete(ref, 30)).state).toBe('gone');
      }),
    );

    it(
      'kills at once with a grace of 0',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running({ does: 'ignore-stop' });
        await stage.eventually('it is gone', async () => (await stage.delete(ref, 0)).state === 'gone');
      }),
    );

    it(
      'waits for the grace period, and a shorter one shortens it',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running({ does: 'ignore-stop' });
        expect((await stage.delete(ref, 600)).state).toBe('stopping');
        await stage.advance(1500);
        expect(isRunning(await stage.get(ref)), 'it still runs within its grace').toBe(true);
        expect((await stage.delete(ref, 600)).state, 'asking again changes nothing').toBe('stopping');
        await stage.delete(ref, 1);
        await stage.eventually('it was killed', async () => !isRunning(await stage.get(ref)));
        expect(exitCode(await stage.get(ref))).toBe(137);
      }),
    );

    it(
      'does not lengthen the grace',
      onStage(harness, async (stage) => {
        const { ref } = await stage.running({ does: 'ignore-stop' });
        await stage.delete(ref, 1);
        await stage.delete(ref, 600);
        await stage.eventually('it was killed', async () => !isRunning(await stage.get(ref)));
      }),
    );

    it(
      'keeps a pod that ended by itself, with its exit code, until it is deleted',
      onStage(harness, async (stage) => {
        const pod = stage.pod({ does: 'exit', code: 3 });
        await stage.create(pod);
        await stage.eventually('it ended with 3', async () => exitCode(await stage.get(pod.ref)) === 3);
        const again = await stage.provider.create(pod, stage.operation());
        expect(again.outcome, 'a pod that ended is not run a second time').toBe('adopted');
        expect(exitCode(again.pod)).toBe(3);
        const result = await stage.delete(pod.ref, 30);
        expect(result).toMatchObject({ state: 'gone' });
        expect(await stage.get(pod.ref)).toBeUndefined();
      }),
    );

    it(
      'deletes a pod that was created a moment ago',
      onStage(harness, async (stage) => {
        const pod = stage.pod();
        await stage.create(pod);
        await stage.eventually('it is gone', async () => (await stage.delete(pod.ref, 0)).state === 'gone');
        expect(await stage.uids()).toEqual([]);
      }),
    );
  });
}
