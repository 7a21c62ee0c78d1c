/** What a replica is made of: its configuration, its access to the cluster, and what it knows of where it runs. */
import type { Clock, Random } from '../../clock.ts';
import type { Config } from '../../config/config.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { Logger } from '../../log.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import type { Outside } from './outside.ts';

export interface ReplicaOptions {
  readonly config: Config;
  readonly client: KubeClient;
  /** Where the set's Leases live. */
  readonly namespace: string;
  /** Name of the node that the replica runs on, when that is known. */
  readonly nodeName: string | undefined;
  /** The replica's own pod, when it is one. */
  readonly inCluster: { readonly namespace: string; readonly name: string } | undefined;
  /** `kubernetes.io/arch` of the nodes. */
  readonly arch: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly outside: Outside;
  /** Aborts when it is to stop in good order. */
  readonly stop: AbortSignal;
  /** Aborts when nothing is to be waited for any more. */
  readonly halt: AbortSignal;
}
