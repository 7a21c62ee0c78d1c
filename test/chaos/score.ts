/** What a run comes to. */
import { duplicateCreates } from '../../src/commands/demo/journal.ts';
import type { History } from '../scenarios/support/history.ts';
import {
  epochsNeverFall,
  type Journals,
  notReady,
  podsNeverGoBack,
  statusesAreOfTheirTerm,
} from '../scenarios/support/invariants.ts';
import { gaps } from '../scenarios/support/leadership.ts';
import type { Circumstances } from '../scenarios/support/violations.ts';

export interface Score {
  /** By backends, and statuses by the API server. */
  readonly staleWritesAccepted: number;
  /** By backends, by their fence; any number is right. */
  readonly staleWritesRefused: number;
  readonly duplicateCreates: number;
  /** Of containers. */
  readonly restarts: number;
  readonly regressedStatuses: number;
  readonly secondsNotReady: number;
  /**
   * From what ended a leader, and with Leases also from every last sign of one, to the first write of the next; without
   * the time in which no API server answered, or too few Redis servers to elect by.
   */
  readonly slowestTakeoverMs: number;
}

/**
 * In leases. A take-over takes one and little more, as the benchmark `failover` says; here the way to the API server may
 * be slow, or the machine.
 */
const TAKEOVER_LIMIT = 2.5;

/** `measured`: take-overs that were timed from outside, in milliseconds. */
export function score(
  journals: Journals,
  history: History,
  circumstances: Circumstances,
  measured: readonly number[] = [],
): Score {
  const { set, now, blind } = circumstances;
  const takeovers = gaps(history, circumstances).filter(({ ended }) => ended === 'claimed');
  const mutations = [...journals.values()].flat();
  return {
    staleWritesAccepted: epochsNeverFall(journals).length + statusesAreOfTheirTerm(history).length,
    staleWritesRefused: mutations.filter(({ reason }) => reason?.startsWith('Fenced') ?? false).length,
    duplicateCreates: duplicateCreates([...journals.values()]),
    restarts: mostRestarts(history),
    regressedStatuses: podsNeverGoBack(history).length,
    secondsNotReady: sum(notReady(history, set, now, blind).map(({ from, until }) => until - from)) / 1000,
    slowestTakeoverMs: Math.round(Math.max(0, ...measured, ...takeovers.map(({ tookMs }) => tookMs))),
  };
}

/** What is above its bound, in words; nothing when all is well. */
export function aboveBounds(counts: Score, leaseMs: number): string[] {
  const { slowestTakeoverMs, staleWritesRefused: _, ...rest } = counts;
  return [
    ...Object.entries(rest)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name}: ${count}`),
    ...(slowestTakeoverMs > TAKEOVER_LIMIT * leaseMs ? [`slowestTakeoverMs: ${slowestTakeoverMs}`] : []),
  ];
}

function mostRestarts(history: History): number {
  const most = new Map<string, number>();
  for (const { object } of history.pods) {
    const count = sum((object.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount));
    const uid = object.metadata?.uid ?? '';
    most.set(uid, Math.max(count, most.get(uid) ?? 0));
  }
  return sum([...most.values()]);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
