/**
 * Proof of death by pod status: looks at a leader's pod when the leader has fallen silent. One GET then, and none while
 * leaders renew: cheaper than watching the set's pods, and a read that no cache can make older than it is.
 */
import type { Clock } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { PODS } from '../kube/resources.ts';
import { aborted } from '../lifecycle.ts';
import type { Logger } from '../log.ts';
import type { Candidates } from './candidates.ts';
import { type ContainedProcess, formatContainedProcess, hasEnded, parseContainedProcess } from './container-end.ts';
import { parseHolder } from './identity.ts';
import { PROCESS_ANNOTATION } from './names.ts';
import { createProofs } from './proofs.ts';
import type { Witness } from './witness.ts';

export interface PodWitnessOptions {
  readonly client: KubeClient;
  /** Of the replicas' pods, which have the replicas' names. */
  readonly namespace: string;
  /** This replica's container; undefined: its pod has only one. */
  readonly container: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface PodWitness {
  readonly witness: Witness;
  /** Tells the others of this process, and hears of theirs, until the signal aborts. */
  run(candidates: Pick<Candidates, 'tell' | 'living'>, signal: AbortSignal): Promise<void>;
}

const TIMEOUT_MS = 2_000;
/** Several zones may suspect the same leader. */
const AGAIN_AFTER_MS = 500;

export function createPodWitness(options: PodWitnessOptions): PodWitness {
  const { client, namespace, container, clock, log } = options;
  const proofs = createProofs();
  const looking = new Map<string, { readonly since: number; done: boolean }>();
  let known: { readonly candidates: Pick<Candidates, 'living'>; readonly signal: AbortSignal } | undefined;
  let forbidden = false;

  function processOf(holder: string): ContainedProcess | undefined {
    const other = known?.candidates.living().find((each) => each.holder === holder);
    return parseContainedProcess(other?.annotations[PROCESS_ANNOTATION]);
  }

  async function look(holder: string, name: string, uid: string, signal: AbortSignal): Promise<void> {
    const process = processOf(holder);
    if (process === undefined) return;
    const asked = clock.monotonic();
    try {
      const pod = await client.get(PODS, { namespace, name }, { lane: 'lease', timeoutMs: TIMEOUT_MS, signal });
      // Another pod of the same name says nothing of this one.
      if (pod.metadata?.uid !== uid || !hasEnded(pod, process)) return;
      log.info({ holder, pod: `${namespace}/${name}` }, "a leader's container has ended");
      proofs.add(holder, { by: 'terminated', at: clock.monotonic(), coversUntil: asked });
    } catch (error) {
      // A missing pod proves nothing.
      if (signal.aborted || hasCode(error, 'NotFound')) return;
      const denied = hasCode(error, 'Forbidden');
      if (denied && !forbidden) {
        log.warn(
          { namespace, error: messageOf(error) },
          'without the permission to get pods in its own namespace this replica cannot see that the container of a leader has ended',
        );
      } else log.debug({ pod: `${namespace}/${name}`, error: messageOf(error) }, "a leader's pod cannot be read");
      forbidden ||= denied;
    }
  }

  return {
    witness: {
      proofOf: proofs.proofOf,
      subscribe: proofs.subscribe,
      suspect(holder) {
        const { replica, podUid } = parseHolder(holder) ?? {};
        if (known === undefined || known.signal.aborted || replica === undefined || podUid === undefined) return;
        const now = clock.monotonic();
        for (const [other, { since, done }] of looking) {
          if (done && now - since >= AGAIN_AFTER_MS) looking.delete(other);
        }
        if (looking.has(holder)) return;
        const entry = { since: now, done: false };
        looking.set(holder, entry);
        void look(holder, replica, podUid, known.signal).finally(() => {
          entry.done = true;
        });
      },
    },

    async run(candidates, signal) {
      known = { candidates, signal };
      candidates.tell(PROCESS_ANNOTATION, formatContainedProcess({ container, aliveAt: clock.now() }));
      await aborted(signal);
    },
  };
}
