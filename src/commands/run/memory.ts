/**
 * Keeps a replica's memory small. Node sizes its young generation for throughput and lets it grow with every burst;
 * a replica's garbage is short-lived and its start leaves much behind that is never needed again.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../../clock.ts';

/** By then modules are loaded and caches filled. */
const AFTER_START_MS = 5_000;

export function keepSmall(clock: Clock): void {
  // The young generation stays as small as it began: collections are more frequent and as short as before.
  setFlagsFromString('--semi-space-growth-factor=1');
  clock.setTimer(AFTER_START_MS, () => {
    setFlagsFromString('--expose-gc');
    const collect: unknown = runInNewContext('gc');
    if (typeof collect === 'function') collect();
  });
}
