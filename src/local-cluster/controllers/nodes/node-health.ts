/**
 * When a node was last heard of, by this machine's own clock: by its Lease or by the heartbeat in its status. The times
 * that nodes write are compared with each other, never with a clock. Source: node_lifecycle_controller.go (tryUpdateNodeHealth).
 */
import type { Clock } from '../../../clock.ts';
import { formatTime, parseTime } from '../../../kube/micro-time.ts';
import type { Lease, Node, NodeCondition } from '../../../kube/types.ts';
import { conditionOf } from './node-state.ts';

export interface NodeHealth {
  /** Takes news of a node. Undefined: it is fine, or says itself how it is; else the conditions that are to be written. */
  examine(node: Node, lease: Lease | undefined): NodeCondition[] | undefined;
  /** Counts as heard of now: whoever was not listening cannot blame the nodes. */
  excuseAll(): void;
  forget(name: string): void;
}

export interface NodeHealthOptions {
  readonly clock: Clock;
  readonly graceMs: number;
  readonly startupGraceMs: number;
}

interface Known {
  /** Of the Ready condition. */
  readonly heartbeat: string | undefined;
  readonly status: string | undefined;
  /** Monotonic. */
  readonly heardAt: number;
  readonly renewedAt: number | undefined;
}

/** `NetworkUnavailable` is not the kubelet's to say. */
const KUBELET_CONDITIONS = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

export function createNodeHealth({ clock, graceMs, startupGraceMs }: NodeHealthOptions): NodeHealth {
  const known = new Map<string, Known>();

  function look(node: Node, lease: Lease | undefined): Known {
    const name = node.metadata?.name ?? '';
    const ready = conditionOf(node, 'Ready');
    const before = known.get(name);
    const now = clock.monotonic();
    let heardAt = before?.heardAt ?? now;
    if (before === undefined && ready === undefined) {
      // It has said nothing since it is there.
      const created = parseTime(node.metadata?.creationTimestamp) ?? clock.now();
      heardAt = now - Math.max(0, clock.now() - created);
    }
    const hasSpoken = before !== undefined && (before.status === undefined) !== (ready === undefined);
    const isNews = before?.status !== undefined && ready !== undefined && before.heartbeat !== ready.lastHeartbeatTime;
    if (hasSpoken || isNews) heardAt = now;
    let renewedAt = before?.renewedAt;
    const renewTime = parseTime(lease?.spec?.renewTime);
    if (renewTime !== undefined && (renewedAt === undefined || renewedAt < renewTime)) {
      renewedAt = renewTime;
      heardAt = now;
    }
    return { heartbeat: ready?.lastHeartbeatTime, status: ready?.status, heardAt, renewedAt };
  }

  return {
    examine(node, lease) {
      const name = node.metadata?.name ?? '';
      const now = look(node, lease);
      known.set(name, now);
      const ready = conditionOf(node, 'Ready');
      const grace = ready === undefined ? startupGraceMs : graceMs;
      if (clock.monotonic() <= now.heardAt + grace || ready?.status === 'Unknown') return undefined;
      const lastTransitionTime = formatTime(clock.now());
      return KUBELET_CONDITIONS.flatMap((type): NodeCondition[] => {
        const condition = conditionOf(node, type);
        if (condition?.status === 'Unknown') return [];
        if (condition !== undefined) {
          const reason = 'NodeStatusUnknown';
          const message = 'Kubelet stopped posting node status.';
          return [{ ...condition, status: 'Unknown', reason, message, lastTransitionTime }];
        }
        const { creationTimestamp } = node.metadata ?? {};
        return [
          {
            type,
            status: 'Unknown',
            reason: 'NodeStatusNeverUpdated',
            message: 'Kubelet never posted node status.',
            ...(creationTimestamp === undefined ? {} : { lastHeartbeatTime: creationTimestamp }),
            lastTransitionTime,
          },
        ];
      });
    },
    excuseAll() {
      const heardAt = clock.monotonic();
      for (const [name, one] of known) known.set(name, { ...one, heardAt });
    },
    forget(name) {
      known.delete(name);
    },
  };
}
