/** What a pod of the workload does on its backend, as its annotations say. */
import type { PodBehaviour } from '../../../providers/simulated/behaviour.ts';
import type { Pod } from '../../../src/kube/types.ts';

const START = 'simulation/start-after-ms';
const STOP = 'simulation/stop-after-ms';
const EXIT = 'simulation/exit-after-ms';
const CODE = 'simulation/exit-code';

export interface Behaviour {
  readonly startAfterMs: number;
  readonly stopAfterMs: number;
  readonly exit: { readonly afterMs: number; readonly code: number } | undefined;
}

export function behaviourAnnotations({ startAfterMs, stopAfterMs, exit }: Behaviour): Record<string, string> {
  return {
    [START]: String(startAfterMs),
    [STOP]: String(stopAfterMs),
    ...(exit === undefined ? {} : { [EXIT]: String(exit.afterMs), [CODE]: String(exit.code) }),
  };
}

export function podBehaviour({ metadata }: Pod): PodBehaviour {
  const { annotations = {} } = metadata ?? {};
  const exitAfter = annotations[EXIT];
  return {
    startDelayMs: Number(annotations[START] ?? 0),
    stopDelayMs: Number(annotations[STOP] ?? 0),
    ...(exitAfter === undefined ? {} : { exit: { afterMs: Number(exitAfter), code: Number(annotations[CODE] ?? 0) } }),
  };
}
