/** What one zone in one replica is made of. */
import type { Clock, Random } from '../clock.ts';
import type { Campaign } from '../election/campaign.ts';
import type { Candidates } from '../election/candidates.ts';
import type { KubeClient } from '../kube/client.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { Informer } from '../kube/informer.ts';
import type { Node, Pod } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { NodeIdentity } from '../node/node-object.ts';
import type { HostPolicy } from '../pods/host-policy.ts';
import type { ServiceLinks } from '../pods/resolve/service-links.ts';
import type { Resources } from '../provider/contract.ts';
import type { GuardedProvider } from '../provider/guard.ts';
import type { StateStore } from '../state/contract.ts';
import type { ZoneDownPolicy } from './health/departure.ts';
import type { ZoneHealth } from './health/health.ts';

export interface ZoneOptions {
  readonly identity: NodeIdentity;
  /** `<UID of the namespace kube-system>/<set>`. */
  readonly owner: string;
  readonly client: KubeClient;
  readonly campaign: Campaign;
  readonly candidates: Candidates;
  /** Whether home counts where a leader chooses who comes next. */
  readonly preferHome: boolean;
  readonly provider: GuardedProvider;
  readonly health: ZoneHealth;
  readonly onZoneDown: ZoneDownPolicy;
  /** Names of the Nodes of all zones of the set. */
  readonly nodeNames: readonly string[];
  /** Pods bound to the zone's node. The caller runs it. */
  readonly pods: Informer<Pod>;
  /** Nodes of the set. The caller runs it. */
  readonly nodes: Informer<Node>;
  /** Of this zone. */
  readonly state: StateStore;
  readonly events: EventRecorder;
  /** What pods may have of the hosts behind the backend. @defaultValue nothing */
  readonly hostPolicy?: HostPolicy;
  /** What containers are told of Services. The caller runs its cache. */
  readonly services: ServiceLinks;
  /** Capacity by configuration. */
  readonly capacity: Resources | undefined;
  /** Statuses carry the term's epoch, for a policy in the API server to compare. @defaultValue false */
  readonly carryEpoch?: boolean;
  /** Where the API server reaches this replica's kubelet API of the zone. */
  readonly kubelet: { readonly address: string; readonly port: number };
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly log: Logger;
}
