/** What a world consists of. */
import type { RedisModel } from '../support/redis-model.ts';
import type { ApiServer } from './model/api-server.ts';
import type { History } from './model/history.ts';
import type { PeerNetwork } from './model/peers.ts';
import type { Replica } from './model/replica.ts';
import type { Scheduler } from './model/scheduler.ts';
import type { ZoneBackend } from './model/zone-backend.ts';
import type { Plan } from './plan.ts';

export const SET = 'sim';
export const NAMESPACE = 'zonelet';

export interface World {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly api: ApiServer;
  readonly zones: readonly Zone[];
  readonly replicas: readonly Replica[];
  readonly peers: PeerNetwork;
  readonly redis: readonly RedisModel[];
}

export interface Zone {
  readonly name: string;
  readonly nodeName: string;
  readonly backend: ZoneBackend;
}
