/** What was recorded of the pods that a violation names: what the API server said, and what backends were asked. */
import type { History } from '../scenarios/support/history.ts';
import type { Journals } from '../scenarios/support/invariants.ts';
import type { Violation } from '../scenarios/support/violations.ts';

const UID = /[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}/g;
const MOST_LINES = 30;

export function evidence(violation: Violation, journals: Journals, history: History): string[] {
  const uids = new Set(violation.evidence.match(UID));
  const lines: { readonly t: number; readonly text: string }[] = [];
  for (const [zone, entries] of journals) {
    for (const entry of entries) {
      if (!uids.has(entry.uid ?? '')) continue;
      const { op, outcome, epoch, reason = '' } = entry;
      lines.push({ t: entry.t, text: `backend ${zone}: ${op} with epoch ${epoch}, ${outcome} ${reason}`.trimEnd() });
    }
  }
  for (const { t, type, object } of history.pods) {
    const { uid = '', resourceVersion = '', deletionTimestamp } = object.metadata ?? {};
    if (!uids.has(uid)) continue;
    const { phase = 'without a phase', containerStatuses = [] } = object.status ?? {};
    const restarts = containerStatuses.map(({ restartCount }) => restartCount).join(', ');
    const leaving = deletionTimestamp === undefined ? '' : ', terminating';
    lines.push({ t, text: `API: ${type} at ${resourceVersion}, ${phase}${leaving}, restarts ${restarts || 'none'}` });
  }
  return lines
    .toSorted((a, b) => a.t - b.t)
    .slice(-MOST_LINES)
    .map(({ t, text }) => `${new Date(t).toISOString()} ${text}`);
}
