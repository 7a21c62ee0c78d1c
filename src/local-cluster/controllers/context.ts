/** What every controller is given. */
import type { Clock, Random } from '../../clock.ts';
import type { KubeClient } from '../../kube/client.ts';
import type { EventRecorder } from '../../kube/event-recorder.ts';
import type { WorkQueue } from '../../kube/work-queue.ts';
import type { Logger } from '../../log.ts';
import type { CachedKind, Caches } from './caches.ts';
import type { ControllerSettings } from './settings.ts';

export interface ControllerContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: Required<ControllerSettings>;
  readonly caches: Caches;
  readonly kinds: readonly CachedKind[];
  queue(name: string): WorkQueue;
  /** Events that say they come from this component. */
  recorder(component: string): EventRecorder;
}

export interface Controller {
  readonly name: string;
  /** Begun once all caches are filled; works until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}
