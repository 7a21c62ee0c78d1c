/** The Lease on which a replica tells of itself: written anew with every beat, taken back when it goes. */
import { type Clock, sleep } from '../clock.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { formatMicroTime } from '../kube/micro-time.ts';
import { LEASES } from '../kube/resources.ts';
import type { Lease } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import { candidateLeasePrefix, SET_LABEL } from './names.ts';

export interface CandidateLeaseOptions {
  readonly client: KubeClient;
  readonly set: string;
  readonly namespace: string;
  readonly replica: string;
  readonly holder: string;
  readonly leaseDurationMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface CandidateLease {
  readonly name: string;
  /** Renews it with these annotations; `undefined` takes one away. Throws what the API server says. */
  beat(annotations: ReadonlyMap<string, string | undefined>, signal: AbortSignal): Promise<void>;
  /** Deletes it when it is still this process's. Never throws: left behind, it counts for nothing after a lease's time. */
  remove(): Promise<void>;
}

const TIMEOUT_MS = 2_000;
const REMOVAL_ATTEMPTS = 3;
const ANNOTATION_PREFIX = 'zonelet.dev/';

export function createCandidateLease(options: CandidateLeaseOptions): CandidateLease {
  const { client, set, namespace, replica, holder, leaseDurationMs, clock, log } = options;
  const name = `${candidateLeasePrefix(set)}${replica}`;
  let own: Lease | undefined;

  /** What an earlier process of this name told of itself is not ours to repeat. */
  function kept(lease: Lease | undefined): Readonly<Record<string, string>> {
    const all = lease?.metadata?.annotations ?? {};
    if (lease?.spec?.holderIdentity === holder) return all;
    return Object.fromEntries(Object.entries(all).filter(([annotation]) => !annotation.startsWith(ANNOTATION_PREFIX)));
  }

  return {
    name,

    async beat(told, signal) {
      const call = { lane: 'lease', timeoutMs: TIMEOUT_MS, signal } as const;
      try {
        own ??= await client.get(LEASES, { namespace, name }, call);
      } catch (error) {
        if (!hasCode(error, 'NotFound')) throw error;
      }
      if (own?.spec?.holderIdentity !== undefined && own.spec.holderIdentity !== holder) {
        log.debug({ lease: name, from: own.spec.holderIdentity }, 'takes the place of an earlier process of this name');
      }
      const now = formatMicroTime(clock.now());
      const annotations: Record<string, string> = { ...kept(own) };
      for (const [annotation, value] of told) {
        if (value === undefined) delete annotations[annotation];
        else annotations[annotation] = value;
      }
      const next: Lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: {
          ...own?.metadata,
          namespace,
          name,
          labels: { ...own?.metadata?.labels, [SET_LABEL]: set },
          annotations,
        },
        spec: {
          holderIdentity: holder,
          leaseDurationSeconds: Math.round(leaseDurationMs / 1000),
          acquireTime: own?.spec?.holderIdentity === holder ? (own.spec.acquireTime ?? now) : now,
          renewTime: now,
        },
      };
      const known = own;
      own = undefined;
      own = known === undefined ? await client.create(LEASES, next, call) : await client.replace(LEASES, next, call);
    },

    async remove() {
      const call = { lane: 'lease', timeoutMs: TIMEOUT_MS / 2 } as const;
      for (let attempt = 1; attempt <= REMOVAL_ATTEMPTS; attempt++) {
        try {
          own ??= await client.get(LEASES, { namespace, name }, call);
          if (own.spec?.holderIdentity !== holder) return;
          const { uid, resourceVersion } = own.metadata ?? {};
          own = undefined;
          await client.delete(
            LEASES,
            { namespace, name },
            {
              ...call,
              ...(uid === undefined ? {} : { uid }),
              ...(resourceVersion === undefined ? {} : { resourceVersion }),
            },
          );
          return;
        } catch (error) {
          if (hasCode(error, 'NotFound')) return;
          log.debug({ lease: name, attempt, error: messageOf(error) }, 'the candidate Lease was not removed');
          await sleep(clock, 100);
        }
      }
    },
  };
}
