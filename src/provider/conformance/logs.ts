/** Container logs, with the options of `kubectl logs`. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from './harness.ts';
import { failure, OWNER, onStage, type Stage } from './stage.ts';

const LINES = ['one', 'two', 'three €'];
const STAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2}) /;
const DEFAULTS = { follow: false, previous: false, timestamps: false };

export function containerLogs(harness: ConformanceHarness): void {
  describe('logs', () => {
    it(
      'gives everything that was written',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        expect(await stage.log(ref, {})).toBe('one\ntwo\nthree €\n');
      }),
    );

    it(
      'gives the last lines; none for 0',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        expect(await stage.log(ref, { tailLines: 2 })).toBe('two\nthree €\n');
        expect(await stage.log(ref, { tailLines: 0 })).toBe('');
        expect(await stage.log(ref, { tailLines: 100 })).toBe('one\ntwo\nthree €\n');
      }),
    );

    it(
      'stops at the limit of bytes',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        expect(await stage.log(ref, { limitBytes: 5 })).toBe('one\nt');
      }),
    );

    it(
      'puts the time before each line',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        const lines = (await stage.log(ref, { timestamps: true })).trimEnd().split('\n');
        expect(lines).toHaveLength(LINES.length);
        for (const [i, line] of lines.entries()) {
          expect(line).toMatch(STAMP);
          expect(line.replace(STAMP, '')).toBe(LINES[i]);
        }
      }),
    );

    it(
      'leaves out what is older than asked for',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        const now = stage.backend.clock.now();
        expect(await stage.log(ref, { sinceTimeMs: now + 60_000 })).toBe('');
        expect(await stage.log(ref, { sinceTimeMs: now - 3_600_000 })).toBe('one\ntwo\nthree €\n');
      }),
    );

    it(
      'follows until the reader goes',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        const stop = new AbortController();
        const logs = stage.provider.logs?.bind(stage.provider);
        let text = '';
        let ended = false;
        const reading = (async () => {
          const stream = await logs?.call(
            stage.provider,
            OWNER,
            ref,
            'main',
            { ...DEFAULTS, follow: true },
            stop.signal,
          );
          try {
            for await (const chunk of stream ?? []) text += Buffer.from(chunk).toString();
          } catch (error) {
            if (!stop.signal.aborted) throw error;
          }
          ended = true;
        })();
        await stage.eventually('what there is came', () => text.includes('three'));
        await stage.advance(200);
        expect(ended, 'it waits for more').toBe(false);
        stop.abort();
        await reading;
      }),
    );

    it(
      'ends a followed log with its container',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        let text: string | undefined;
        const reading = stage.log(ref, { follow: true }).then((all) => {
          text = all;
        });
        await stage.advance(100);
        await stage.delete(ref, 0);
        await stage.eventually('the stream has ended', () => text !== undefined);
        await reading;
        expect(text).toBe('one\ntwo\nthree €\n');
      }),
    );

    it(
      'gives the run before the last restart, and NotFound when there was none',
      onStage(harness, async (stage) => {
        if (!stage.provider.capabilities.logs) return stage.skip('the provider offers no logs');
        if (stage.provider.capabilities.restarts !== 'backend') return stage.skip('the backend restarts nothing');
        const calm = await printed(stage);
        expect(await failure(stage.log(calm, { previous: true }))).toBe('NotFound');
        const pod = stage.pod({
          does: 'print-and-crash',
          lines: ['last words'],
        });
        await stage.create(pod);
        await stage.eventually(
          'it was restarted',
          async () => ((await stage.get(pod.ref))?.observation.containers[0]?.restartCount ?? 0) > 0,
        );
        expect(await stage.log(pod.ref, { previous: true })).toBe('last words\n');
      }),
    );

    it(
      'answers NotFound for an unknown pod or container',
      onStage(harness, async (stage) => {
        const ref = await printed(stage);
        const logs = stage.provider.logs?.bind(stage.provider);
        expect(await failure(stage.log(stage.pod().ref, {}))).toBe('NotFound');
        const unknown = logs?.(OWNER, ref, 'nobody', DEFAULTS, stage.signal);
        expect(await failure(Promise.resolve(unknown))).toBe('NotFound');
      }),
    );
  });
}

async function printed(stage: Stage) {
  if (!stage.provider.capabilities.logs) return stage.skip('the provider offers no logs');
  const { ref } = await stage.running({ does: 'print', lines: LINES });
  await stage.eventually('the lines are in the log', async () => (await stage.log(ref, {})).includes('three'));
  return ref;
}
