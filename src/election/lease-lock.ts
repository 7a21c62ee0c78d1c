/**
 * A lock that is a Kubernetes Lease, written like client-go's leader election writes one (tools/leaderelection), so that
 * kubectl and kube-state-metrics read it: `leaseTransitions` is the epoch. Every write names the resourceVersion that it
 * builds upon.
 */
import type { Clock } from '../clock.ts';
import { hasCode, ZoneletError } from '../errors.ts';
import type { KubeClient } from '../kube/client.ts';
import type { Informer } from '../kube/informer.ts';
import { formatMicroTime } from '../kube/micro-time.ts';
import { compareResourceVersions } from '../kube/resource-version.ts';
import { LEASES } from '../kube/resources.ts';
import type { Lease } from '../kube/types.ts';
import { isBelievable, MAX_EPOCH } from './epoch-floor.ts';
import type { Lock, LockRecord } from './lock.ts';
import { HAND_OVER_ANNOTATION, SET_LABEL } from './names.ts';

export interface LeaseLockOptions {
  readonly client: KubeClient;
  /** The set's Leases. The caller runs it. */
  readonly leases: Informer<Lease>;
  readonly namespace: string;
  readonly name: string;
  readonly set: string;
  /** Who acquires. */
  readonly holder: string;
  readonly leaseDurationMs: number;
  readonly clock: Clock;
}

/** client-go's sign of a Lease that was given up: the shortest duration that the field can say. */
const RELEASED_SECONDS = 1;

export function createLeaseLock(options: LeaseLockOptions): Lock {
  const { client, leases, namespace, name, set, holder, clock } = options;
  // What a write builds upon: the whole object, so that what others wrote on it is kept.
  const objects = new WeakMap<LockRecord, Lease>();

  function recordOf(lease: Lease): LockRecord {
    const { spec, metadata } = lease;
    const holder = spec?.holderIdentity ?? '';
    const seconds = spec?.leaseDurationSeconds ?? 0;
    const transitions = spec?.leaseTransitions ?? 0;
    const record: LockRecord = {
      holder,
      epoch: isBelievable(transitions) ? transitions : 0,
      durationMs: seconds * 1000,
      released: holder === '' && seconds <= RELEASED_SECONDS,
      handOverTo: metadata?.annotations?.[HAND_OVER_ANNOTATION],
      // Its times are of somebody else's clock.
      ageMs: 0,
      version: metadata?.resourceVersion ?? '',
    };
    objects.set(record, lease);
    return record;
  }

  function leaseOf(record: LockRecord): Lease {
    const lease = objects.get(record);
    if (lease === undefined) throw new ZoneletError('Internal', `a record of another lock was given to Lease ${name}`);
    return lease;
  }

  function next(from: Lease | undefined, spec: Lease['spec'], handOverTo: string | undefined): Lease {
    const annotations = { ...from?.metadata?.annotations };
    delete annotations[HAND_OVER_ANNOTATION];
    if (handOverTo !== undefined) annotations[HAND_OVER_ANNOTATION] = handOverTo;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        ...from?.metadata,
        namespace,
        name,
        labels: { ...from?.metadata?.labels, [SET_LABEL]: set },
        annotations,
      },
      spec: { ...from?.spec, ...spec },
    };
  }

  function held(epoch: number): Lease['spec'] {
    if (epoch > MAX_EPOCH) throw new ZoneletError('InvalidInput', `Lease ${name}: no epoch is left above ${MAX_EPOCH}`);
    return {
      holderIdentity: holder,
      leaseDurationSeconds: Math.round(options.leaseDurationMs / 1000),
      renewTime: formatMicroTime(clock.now()),
      leaseTransitions: epoch,
    };
  }

  return {
    name,
    provesReach: true,
    highestEpoch: 0,

    async read(call) {
      let lease: Lease;
      try {
        lease = await client.get(LEASES, { namespace, name }, { ...call, lane: 'lease' });
      } catch (error) {
        if (hasCode(error, 'NotFound')) return undefined;
        throw error;
      }
      const owner = lease.metadata?.labels?.[SET_LABEL];
      if (owner !== undefined && owner !== set) {
        throw new ZoneletError(
          'InvalidInput',
          `Lease ${namespace}/${name} belongs to the set ${owner}: give the zone or one of the sets another name`,
        );
      }
      return recordOf(lease);
    },

    async acquire(from, epoch, call) {
      const spec = { ...held(epoch), acquireTime: formatMicroTime(clock.now()) };
      const options = { ...call, lane: 'lease' } as const;
      if (from === undefined) return recordOf(await client.create(LEASES, next(undefined, spec, undefined), options));
      return recordOf(await client.replace(LEASES, next(leaseOf(from), spec, undefined), options));
    },

    async renew(from, epoch, call) {
      const lease = next(leaseOf(from), held(epoch), undefined);
      return recordOf(await client.replace(LEASES, lease, { ...call, lane: 'lease' }));
    },

    async release(from, handOverTo, call) {
      const now = formatMicroTime(clock.now());
      const spec = { holderIdentity: '', leaseDurationSeconds: RELEASED_SECONDS, renewTime: now, acquireTime: now };
      const lease = next(leaseOf(from), spec, handOverTo);
      return recordOf(await client.replace(LEASES, lease, { ...call, lane: 'lease' }));
    },

    watch(tell) {
      const mine = (lease: Lease): boolean => lease.metadata?.name === name && lease.metadata.namespace === namespace;
      return leases.subscribe({
        added: (lease) => mine(lease) && tell(recordOf(lease)),
        updated: (_before, lease) => mine(lease) && tell(recordOf(lease)),
        // Also when somebody took the label away that it is watched by.
        deleted: (lease) => mine(lease) && tell(undefined),
      });
    },

    compare: (a, b) => compareResourceVersions(a.version, b.version) ?? 0,
  };
}
