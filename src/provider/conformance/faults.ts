/** Deadlines, aborts and lost replies. */
import { describe, expect, it } from 'vitest';
import { deadline } from '../../clock.ts';
import type { ConformanceHarness } from './harness.ts';
import { failure, OWNER, onStage } from './stage.ts';

export function faults(harness: ConformanceHarness): void {
  describe('faults', () => {
    it(
      'sends nothing for a signal that has aborted',
      onStage(harness, async (stage) => {
        const pod = stage.pod();
        const signal = AbortSignal.abort();
        expect(await failure(stage.create(pod, { signal }))).toMatch(/^(Aborted|Unavailable)$/);
        expect(await stage.get(pod.ref)).toBeUndefined();
      }),
    );

    it(
      'settles by the deadline when the backend does not answer',
      onStage(harness, async (stage) => {
        const hang = stage.backend.hang?.bind(stage.backend);
        if (hang === undefined) return stage.skip('the harness cannot make the backend hang');
        await hang(true);
        const { clock } = stage.backend;
        using limit = deadline(clock, 300);
        let created: unknown = 'open';
        let read: unknown = 'open';
        const pending = [
          failure(stage.create(stage.pod(), { signal: limit.signal, timeoutMs: 300 })).then((code) => {
            created = code;
          }),
          failure(
            stage.provider.list(OWNER, {
              signal: limit.signal,
              timeoutMs: 300,
            }),
          ).then((code) => {
            read = code;
          }),
        ];
        await stage.eventually('both calls have settled', () => created !== 'open' && read !== 'open');
        await Promise.all(pending);
        expect(created, 'the outcome of a mutation that was sent is not known').toMatch(/^(Ambiguous|Aborted)$/);
        expect(read).toMatch(/^(Unavailable|Aborted)$/);
        await hang(false);
      }),
    );

    it(
      'says Ambiguous when a reply is lost after the commit, and adopts on the second try',
      onStage(harness, async (stage) => {
        const lose = stage.backend.loseNextReply?.bind(stage.backend);
        if (lose === undefined) return stage.skip('the harness cannot lose a reply');
        const pod = stage.pod();
        await lose();
        expect(await failure(stage.create(pod))).toBe('Ambiguous');
        expect((await stage.get(pod.ref))?.ref).toEqual(pod.ref);
        expect((await stage.provider.create(pod, stage.operation())).outcome).toBe('adopted');
        expect(await stage.uids()).toEqual([pod.ref.uid]);
      }),
    );

    it(
      'says Ambiguous when the reply to a delete is lost, and gone on the second try',
      onStage(harness, async (stage) => {
        const lose = stage.backend.loseNextReply?.bind(stage.backend);
        if (lose === undefined) return stage.skip('the harness cannot lose a reply');
        const { ref } = await stage.running();
        await lose();
        expect(await failure(stage.delete(ref, 0))).toBe('Ambiguous');
        await stage.eventually('it is gone', async () => (await stage.delete(ref, 0)).state === 'gone');
      }),
    );

    it(
      'can be disposed with a watch open',
      onStage(harness, async (stage) => {
        const provider = stage.connect();
        const record = stage.watch(provider);
        await stage.eventually('the snapshot is there', () => record.snapshots() > 0);
        await provider[Symbol.asyncDispose]();
        await provider[Symbol.asyncDispose]();
      }),
    );
  });
}
