/**
 * Pod state on the pods themselves: one annotation that rides on status patches which are sent anyway, so that it costs
 * no request and every replica's pod cache has it already. What was published is the pod's own status, intents and
 * deletions are the API's: the binding is the intent, because create is create-or-adopt by UID, and who was deleted is gone.
 */
import { aborted } from '../lifecycle.ts';
import type { PodRecord, StateStore, TermState } from './contract.ts';
import { decodeRecord, encodeRecord, sameRecord } from './record.ts';

/** Holds a record (`record.ts`) without what the pod's status says. */
export const RECORD_ANNOTATION = 'zonelet.dev/record';

/** It holds nothing itself, so that one serves every zone and every term. */
export const kubernetesStateStore: StateStore & TermState = {
  run: aborted,
  begin: async () => kubernetesStateStore,
  // The records went with the pods.
  async clear() {},
  read(pod) {
    const text = pod.metadata?.annotations?.[RECORD_ANNOTATION];
    return text === undefined ? undefined : decodeRecord(text);
  },
  keep(pod, { published: _inStatus, intended: _isBinding, ...record }) {
    const stored = kubernetesStateStore.read(pod);
    if (stored !== undefined ? sameRecord(stored, record) : isEmpty(record)) return undefined;
    return { annotations: { [RECORD_ANNOTATION]: encodeRecord(record) } };
  },
  intend: async () => 'go',
  // The record goes with the pod.
  bury() {},
  forget() {},
  complete() {},
  async [Symbol.asyncDispose]() {},
};

function isEmpty({ handle, failures = 0 }: PodRecord): boolean {
  return handle === undefined && failures === 0;
}
