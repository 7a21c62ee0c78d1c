/**
 * Pod state on the pods themselves: one annotation that rides on status patches which are sent anyway, so that it costs
 * no request and every replica's pod cache has it already.
 */
import type { PodRecord, StateStore } from './contract.ts';

/** Holds compact JSON: `{"h":"<handle>","a":"<hash applied>","e":<epoch>}`. */
export const RECORD_ANNOTATION = 'zonelet.dev/record';

export const kubernetesStateStore: StateStore = {
  read(pod) {
    const text = pod.metadata?.annotations?.[RECORD_ANNOTATION];
    return text === undefined ? undefined : parse(text);
  },
  ride(pod, record) {
    const stored = this.read(pod);
    // Another epoch alone is no news: after a change of leader nothing has to be written again.
    if (stored !== undefined && stored.handle === record.handle && stored.applied === record.applied) return undefined;
    const text = JSON.stringify({ h: record.handle, a: record.applied, e: record.epoch });
    return { annotations: { [RECORD_ANNOTATION]: text } };
  },
};

/** People can edit annotations: what cannot be read is as good as not there. */
function parse(text: string): PodRecord | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof raw !== 'object' || raw === null || !('e' in raw) || !Number.isSafeInteger(raw.e)) return undefined;
  const handle = 'h' in raw && typeof raw.h === 'string' ? raw.h : undefined;
  const applied = 'a' in raw && typeof raw.a === 'string' ? raw.a : undefined;
  return {
    epoch: Number(raw.e),
    ...(handle === undefined ? {} : { handle }),
    ...(applied === undefined ? {} : { applied }),
  };
}
