/** What simulated pods do, and the faults that tests can bring about. */
import type { Pod } from '../../src/kube/types.ts';
import type { Resources, ZoneState } from '../../src/provider/contract.ts';

/** How one pod behaves. Everything left out: it starts at once, runs for ever and stops at once. */
export interface PodBehaviour {
  /** Milliseconds from its creation until its containers run. @defaultValue 0 */
  readonly startDelayMs?: number;
  /** Every container ends by itself so long after each of its starts. */
  readonly exit?: { readonly afterMs: number; readonly code: number };
  /** Lines that every container writes at each of its starts. */
  readonly prints?: readonly string[];
  /** Milliseconds that containers take to end when asked to; longer than the grace, and they are killed. @defaultValue 0 */
  readonly stopDelayMs?: number;
  /** The backend refuses the pod for lack of room. @defaultValue false */
  readonly noCapacity?: boolean;
}

export type SimulatedOperation =
  | 'claim'
  | 'create'
  | 'update'
  | 'delete'
  | 'get'
  | 'list'
  | 'logs'
  | 'exec'
  | 'attach'
  | 'portForward'
  | 'stats';

/** Faults, to be changed at any time. */
export interface SimulatedFaults {
  /** Nothing gets through: calls throw `Unavailable`, watches fall silent and begin anew afterwards. */
  unreachable: boolean;
  /** So many of the next mutations are carried out and their replies lost. */
  loseReplies: number;
  /** Calls of these kinds never answer. */
  readonly hang: Set<SimulatedOperation>;
  /** Lists and snapshots leave every second pod out and say that they are not complete. */
  incompleteLists: boolean;
  /** What the zone reports of itself; undefined: it cannot tell. */
  zoneState: ZoneState;
  /** UIDs that the backend knows and cannot see. */
  readonly lostSight: Set<string>;
}

export function noFaults(): SimulatedFaults {
  return {
    unreachable: false,
    loseReplies: 0,
    hang: new Set(),
    incompleteLists: false,
    zoneState: 'Up',
    lostSight: new Set(),
  };
}

export type Behave = (pod: Pod) => PodBehaviour;

/** Room for any benchmark, and few enough that the numbers can be read. */
export const DEFAULT_CAPACITY: Resources = {
  cpu: '10000',
  memory: '40Ti',
  pods: '100000',
};
