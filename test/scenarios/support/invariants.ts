/**
 * What must always hold, checked over the recorded histories of the API server and the backends. Each check answers with
 * what it found wrong, so that a failure names the pod, the zone and the write.
 */
import type { JournalEntry } from '../../../src/commands/demo/journal.ts';
import { EPOCH_ANNOTATION, SET_LABEL } from '../../../src/node/names.ts';
import type { History } from './history.ts';

export type Journals = ReadonlyMap<string, readonly JournalEntry[]>;

/** Per zone, the epochs of accepted mutations never fall. */
export function epochsNeverFall(journals: Journals): string[] {
  const wrong: string[] = [];
  for (const [zone, entries] of journals) {
    let highest = 0;
    for (const entry of entries) {
      if (entry.outcome === 'refused') continue;
      if (entry.epoch < highest)
        wrong.push(`${zone}: ${entry.op} of ${entry.name ?? '-'} with epoch ${entry.epoch} after ${highest}`);
      highest = Math.max(highest, entry.epoch);
    }
  }
  return wrong;
}

/** A pod UID is created once, and only one that the API has bound to that zone's node. */
export function createdOnce(journals: Journals, history: History, nodeOf: (zone: string) => string): string[] {
  const wrong: string[] = [];
  const bound = new Map<string, Set<string>>();
  for (const { object } of history.pods) {
    const { uid = '' } = object.metadata ?? {};
    bound.set(uid, (bound.get(uid) ?? new Set()).add(object.spec?.nodeName ?? ''));
  }
  const created = new Map<string, string>();
  for (const [zone, entries] of journals) {
    for (const { op, outcome, uid = '', name = '' } of entries) {
      if (op !== 'create' || outcome !== 'accepted') continue;
      const before = created.get(uid);
      if (before !== undefined) wrong.push(`${name} (${uid}) was created in ${before} and in ${zone}`);
      created.set(uid, zone);
      if (bound.get(uid)?.has(nodeOf(zone)) !== true)
        wrong.push(`${name} (${uid}) was created in ${zone} and never bound there`);
    }
  }
  return wrong;
}

/** A terminal phase never changes, restart counts never fall, and a status stays with its UID. */
export function podsNeverGoBack(history: History): string[] {
  const wrong: string[] = [];
  const known = new Map<string, { phase: string; restarts: Map<string, number> }>();
  for (const { object } of history.pods) {
    const { uid = '', name } = object.metadata ?? {};
    const phase = object.status?.phase ?? 'Pending';
    const before = known.get(uid) ?? { phase, restarts: new Map<string, number>() };
    if ((before.phase === 'Succeeded' || before.phase === 'Failed') && phase !== before.phase) {
      wrong.push(`${name} (${uid}) went from ${before.phase} to ${phase}`);
    }
    for (const status of object.status?.containerStatuses ?? []) {
      const most = before.restarts.get(status.name) ?? 0;
      if (status.restartCount < most)
        wrong.push(`${name} (${uid}): restarts fell from ${most} to ${status.restartCount}`);
      before.restarts.set(status.name, Math.max(most, status.restartCount));
    }
    known.set(uid, { phase, restarts: before.restarts });
  }
  return wrong;
}

/** The recorder hears of a write a moment after whoever acts on it. */
const HEARSAY_MS = 2_000;

/** No backend delete unless the API had the UID absent or terminating by then. */
export function deletedOnlyWhatWasToGo(journals: Journals, history: History): string[] {
  const leaving = new Map<string, number>();
  const there = new Set<string>();
  for (const { t, type, object } of history.pods) {
    const { uid = '', deletionTimestamp } = object.metadata ?? {};
    there.add(uid);
    if ((type === 'gone' || deletionTimestamp !== undefined) && !leaving.has(uid)) leaving.set(uid, t);
  }
  const wrong: string[] = [];
  for (const [zone, entries] of journals) {
    for (const { t, op, outcome, uid = '', name } of entries) {
      if (op !== 'delete' || outcome === 'refused' || !there.has(uid)) continue;
      const since = leaving.get(uid);
      if (since === undefined || since > t + HEARSAY_MS)
        wrong.push(`${name} (${uid}) was deleted in ${zone} while the API wanted it`);
    }
  }
  return wrong;
}

/** A virtual node that was Ready stays Ready. */
export function nodesStayReady(history: History, set: string): string[] {
  const wrong: string[] = [];
  const ready = new Set<string>();
  for (const { t, type, object } of history.nodes) {
    const { name = '', labels = {} } = object.metadata ?? {};
    if (labels[SET_LABEL] !== set) continue;
    if (type === 'gone') ready.delete(name);
    if (type === 'gone') continue;
    const condition = object.status?.conditions?.find((each) => each.type === 'Ready');
    if (condition?.status === 'True') ready.add(name);
    else if (ready.has(name)) {
      const at = new Date(t).toISOString();
      wrong.push(
        `${name} became ${condition?.status ?? 'nothing'} (${condition?.reason ?? ''}: ${condition?.message ?? ''}) at ${at}`,
      );
    }
  }
  return wrong;
}

/** The epoch on a Node never falls, even when somebody edits it. */
export function claimsNeverFall(history: History, edited: readonly string[] = []): string[] {
  const wrong: string[] = [];
  const highest = new Map<string, number>();
  for (const { object } of history.nodes) {
    const { name = '', annotations = {} } = object.metadata ?? {};
    const epoch = Number(annotations[EPOCH_ANNOTATION] ?? 0);
    const most = highest.get(name) ?? 0;
    if (epoch < most && epoch !== 0 && !edited.includes(name))
      wrong.push(`${name}: epoch fell from ${most} to ${epoch}`);
    highest.set(name, Math.max(most, epoch));
  }
  return wrong;
}
