/**
 * Gives a zone up when its backend is down and the set's policy is to move the pods (`onZoneDown: evict`), and takes it
 * back when the backend returns. For one term; what a predecessor said on the Node is gone on with.
 */
import type { Clock } from '../../clock.ts';
import { createBell } from '../../election/bell.ts';
import { hasCode, messageOf } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { NODES } from '../../kube/resources.ts';
import type { Node } from '../../kube/types.ts';
import type { Logger } from '../../log.ts';
import type { HealthMetrics } from '../../metrics/health.ts';
import { isGivenUp } from '../../node/node-health.ts';
import type { NodeReadiness } from '../../pods/context.ts';
import { askBrake } from './brake.ts';
import type { ZoneHealth } from './health.ts';

export interface ZoneDownPolicy {
  /** `hold`: the pods stay. `evict`: the node says that it is not Ready, so that Kubernetes moves them. */
  readonly policy: 'hold' | 'evict';
  /** How long a backend is down before its zone is given up. */
  readonly afterMs: number;
}

export interface DepartureOptions {
  readonly zone: string;
  readonly nodeName: string;
  /** Names of the Nodes of all zones of the set. */
  readonly nodeNames: readonly string[];
  /** Selects the set's Nodes. */
  readonly labelSelector: string;
  readonly policy: ZoneDownPolicy;
  readonly health: ZoneHealth;
  readonly client: Pick<KubeClient, 'list'>;
  /** One look for copies that were replaced elsewhere; how many are left. */
  readonly removeReplaced: (signal: AbortSignal) => Promise<number>;
  readonly clock: Clock;
  readonly metrics: HealthMetrics;
  readonly log: Logger;
}

type NotReady = ReturnType<NodeReadiness['notReady']>;

/** `notReady`: as it was answered last. */
export interface Departure extends NodeReadiness {
  /** Why the zone is not given up although its time is over. */
  readonly held: string | undefined;
  /** Why this Node, as it stands, is to say that it is not Ready; undefined: nothing speaks against it. */
  ofNode(node: Node): NotReady;
  /** Decides until the signal aborts. Never throws. */
  run(signal: AbortSignal): Promise<void>;
}

export const ZONE_DOWN = 'ZoneBackendDown';
export const ZONE_RETURNS = 'ZoneReturns';
/** Between two looks at the other zones while they hold this one back, and at the backend while it returns. */
const HELD_AGAIN_MS = 5_000;
const AGAIN_MS = 1_000;
/** When nothing is to be waited for but news. */
const IDLE_MS = 60_000;
const RETURNING = {
  reason: ZONE_RETURNS,
  message: 'the backend is back; pods that were replaced elsewhere are removed from it first',
};

export function createDeparture(options: DepartureOptions): Departure {
  const { zone, nodeName, policy, health, client, clock, metrics, log } = options;
  const bell = createBell(clock);
  const subscribers = new Set<() => void>();
  let node: Node | undefined;
  let current: NotReady;
  /** The brake let this zone go. Only as long as the backend is down. */
  let leaves = false;
  /** Nothing is left of what was replaced elsewhere. Only as long as the backend is back. */
  let isClean = false;
  let held: string | undefined;

  function isUp(): boolean {
    const { state } = health.verdict;
    if (state !== 'Down') leaves = false;
    if (state === 'Down' || state === 'Unknown') isClean = false;
    return state === 'Up' || state === 'NoNew';
  }

  function answer(posted: NotReady): NotReady {
    if (isUp()) return posted === undefined || isClean ? undefined : RETURNING;
    // What nobody can tell changes nothing.
    if (health.verdict.state === 'Unknown') return posted;
    return posted !== undefined || leaves ? { reason: ZONE_DOWN, message: health.verdict.message } : undefined;
  }

  function changed(): void {
    bell.ring();
    for (const callback of subscribers) callback();
  }

  function hold(why: string | undefined): void {
    const isNews = (held === undefined) !== (why === undefined);
    held = why;
    metrics.brake.set({ zone, reason: 'majority' }, why === undefined ? 0 : 1);
    if (!isNews) return;
    if (why !== undefined) log.warn({ reason: why }, 'the zone is down and is not given up');
    changed();
  }

  /** Does what is due, and says in how many milliseconds to look again. */
  async function decide(signal: AbortSignal): Promise<number> {
    const posted = node === undefined ? undefined : postedBy(node);
    if (isUp() && posted !== undefined && !isClean) return await takeBack(signal);
    const { downSince } = health;
    if (policy.policy === 'hold' || node === undefined || downSince === undefined || posted !== undefined || leaves) {
      hold(undefined);
      return IDLE_MS;
    }
    const leftMs = downSince + policy.afterMs - clock.monotonic();
    if (leftMs > 0) return leftMs;
    // It may be on its way back: nobody is moved away from a backend that answers.
    if (health.answers) return AGAIN_MS;
    const { items: nodes } = await client.list(NODES, { labelSelector: options.labelSelector, signal });
    // Whether it is still down is asked after the answer, not before.
    if (health.downSince !== downSince || health.answers) return 0;
    const brake = askBrake({ nodes, nodeName, nodeNames: options.nodeNames });
    hold(brake.state === 'held' ? brake.message : undefined);
    if (brake.state !== 'free') return brake.state === 'held' ? HELD_AGAIN_MS : AGAIN_MS;
    leaves = true;
    log.warn({ downMs: Math.round(clock.monotonic() - downSince) }, 'gives the zone up, so that its pods are moved');
    changed();
    return IDLE_MS;
  }

  async function takeBack(signal: AbortSignal): Promise<number> {
    const left = await options.removeReplaced(signal);
    if (left > 0 || !isUp()) return AGAIN_MS;
    isClean = true;
    log.info({}, 'takes the zone back: nothing is left of what was replaced elsewhere');
    changed();
    return IDLE_MS;
  }

  return {
    ofNode(of) {
      node = of;
      const before = current;
      current = answer(postedBy(of));
      if (before?.reason !== current?.reason) changed();
      return current;
    },
    notReady: () => current,
    get held() {
      return held;
    },
    subscribe(callback) {
      subscribers.add(callback);
      return () => subscribers.delete(callback);
    },
    async run(signal) {
      let known = health.downSince;
      const unsubscribe = health.subscribe(() => {
        // Most news is none for this.
        if (health.downSince !== known || (isUp() && current !== undefined && !isClean)) bell.ring();
        known = health.downSince;
      });
      try {
        while (!signal.aborted) {
          let waitMs = AGAIN_MS;
          try {
            waitMs = await decide(signal);
          } catch (error) {
            if (signal.aborted || hasCode(error, 'Fenced')) return;
            log.warn({ error: messageOf(error) }, 'cannot decide now whether the zone is given up');
          }
          await bell.wait(waitMs, signal);
        }
      } finally {
        unsubscribe();
        metrics.brake.remove({ zone, reason: 'majority' });
      }
    },
  };
}

/** What the Node says already because its zone was given up; undefined: nothing of that kind. */
function postedBy(node: Node): NotReady {
  if (!isGivenUp(node)) return undefined;
  const { reason = '', message = '' } = node.status?.conditions?.find(({ type }) => type === 'Ready') ?? {};
  if (reason === ZONE_DOWN || reason === ZONE_RETURNS) return { reason, message };
  // The node controller has said that nobody tells of the node any more.
  return { reason: ZONE_DOWN, message: 'the backend was down when the zone was given up' };
}
