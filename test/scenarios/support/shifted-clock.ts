/**
 * Loaded before a replica's own program: its wall clock, and nothing else, is set to another time with every SIGUSR2:
 * ten minutes ahead, then ten minutes behind. Timers and the monotonic clock run on, as they do when an
 * administrator or NTP sets the clock of a machine.
 */
import process from 'node:process';

if (process.argv.includes('run')) {
  const OFFSETS_MS = [10 * 60_000, -10 * 60_000];
  let sets = 0;
  let offsetMs = 0;
  const RightDate = globalThis.Date;
  class ShiftedDate extends RightDate {
    constructor(...args: readonly unknown[]) {
      if (args.length === 0) super(RightDate.now() + offsetMs);
      else super(...(args as [number]));
    }
    static override now(): number {
      return RightDate.now() + offsetMs;
    }
  }
  globalThis.Date = ShiftedDate as DateConstructor;
  process.on('SIGUSR2', () => {
    offsetMs = OFFSETS_MS[sets++ % OFFSETS_MS.length] ?? 0;
    process.stderr.write(`{"msg":"clock set","offsetMs":${offsetMs}}\n`);
  });
}
