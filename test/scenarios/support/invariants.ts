/**
 * What must always hold, checked over the recorded histories of the API server and the backends. Each check answers with
 * what it found wrong, so that a failure names the pod, the zone and the write.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JournalEntry } from '../../../src/commands/demo/journal.ts';
import { WRITER_EPOCH_ANNOTATION } from '../../../src/election/names.ts';
import { parseTime } from '../../../src/kube/micro-time.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { EPOCH_ANNOTATION, SET_LABEL } from '../../../src/node/names.ts';
import type { History } from './history.ts';
import type { Outage } from './leadership.ts';

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
      // The web backend's container ids name the pod.
      const id = status.containerID ?? '';
      if (id !== '' && !id.includes(uid)) wrong.push(`${name} (${uid}) shows a container of another pod: ${id}`);
      const most = before.restarts.get(status.name) ?? 0;
      if (status.restartCount < most)
        wrong.push(`${name} (${uid}): restarts fell from ${most} to ${status.restartCount}`);
      before.restarts.set(status.name, Math.max(most, status.restartCount));
    }
    known.set(uid, { phase, restarts: before.restarts });
  }
  return wrong;
}

/** The recorder hears of a write after whoever acts on it: on a machine that is busy, long after. */
const HEARSAY_MS = 30_000;

/** When the pod's deletion was asked for, by the API server's own clock, which is this machine's; whole seconds, rounded down. */
function deletionAskedAt({ metadata }: Pod): number | undefined {
  const ends = parseTime(metadata?.deletionTimestamp);
  return ends === undefined ? undefined : ends - (metadata?.deletionGracePeriodSeconds ?? 0) * 1000;
}

/** No backend delete unless the API had the UID absent or terminating by then. */
export function deletedOnlyWhatWasToGo(journals: Journals, history: History): string[] {
  const leaving = new Map<string, number>();
  const there = new Set<string>();
  for (const { t, type, object } of history.pods) {
    const { uid = '' } = object.metadata ?? {};
    there.add(uid);
    const askedAt = deletionAskedAt(object);
    if (askedAt !== undefined) leaving.set(uid, Math.min(askedAt, leaving.get(uid) ?? askedAt));
    // Deleted by force: nothing but the recorder says when.
    else if (type === 'gone' && !leaving.has(uid)) leaving.set(uid, t - HEARSAY_MS);
  }
  const wrong: string[] = [];
  for (const [zone, entries] of journals) {
    for (const { t, op, outcome, uid = '', name } of entries) {
      if (op !== 'delete' || outcome === 'refused' || !there.has(uid)) continue;
      const since = leaving.get(uid);
      if (since === undefined || since > t)
        wrong.push(`${name} (${uid}) was deleted in ${zone} while the API wanted it`);
    }
  }
  return wrong;
}

export interface NotReady {
  readonly node: string;
  readonly from: number;
  /** `now` while it lasts. */
  readonly until: number;
  /** What its condition Ready said then. */
  readonly said: string;
}

/**
 * When virtual nodes were not Ready after they had been. `blind`: when the cluster's node controller could not see, or
 * did not yet see again, what the nodes say of themselves; that it calls them Unknown then is not theirs to prevent.
 */
export function notReady(history: History, set: string, now: number, blind: readonly Outage[] = []): NotReady[] {
  const found: NotReady[] = [];
  const ready = new Set<string>();
  const open = new Map<string, { readonly from: number; readonly said: string }>();
  const close = (node: string, until: number): void => {
    const since = open.get(node);
    if (since !== undefined && until > since.from) found.push({ node, ...since, until });
    open.delete(node);
  };
  for (const { t, type, object } of history.nodes) {
    const { name = '', labels = {} } = object.metadata ?? {};
    if (labels[SET_LABEL] !== set) continue;
    const condition = object.status?.conditions?.find((each) => each.type === 'Ready');
    if (type === 'gone' || condition?.status === 'True') close(name, t);
    if (type === 'gone') ready.delete(name);
    else if (condition?.status === 'True') ready.add(name);
    else if (ready.has(name) && !open.has(name)) {
      const unseen = blind.find(({ from, until }) => from <= t && t <= until);
      const said = `${condition?.status ?? 'nothing'} (${condition?.reason ?? ''}: ${condition?.message ?? ''})`;
      open.set(name, { from: condition?.status === 'Unknown' && unseen !== undefined ? unseen.until : t, said });
    }
  }
  for (const node of [...open.keys()]) close(node, now);
  return found;
}

/** A virtual node that was Ready stays Ready, but for those of zones that were to be given up. */
export function nodesStayReady(
  history: History,
  set: string,
  now: number,
  blind: readonly Outage[] = [],
  givenUp: readonly string[] = [],
): string[] {
  return notReady(history, set, now, blind)
    .filter(({ node }) => !givenUp.includes(node))
    .map(
      ({ node, from, until, said }) =>
        `${node} became ${said} at ${new Date(from).toISOString()} for ${Math.round(until - from)} ms`,
    );
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

/**
 * Where statuses carry their epoch: none was written under one below what the zone's Node said by then. Everything in the
 * order of its resourceVersions, which an API server counts across kinds.
 */
export function statusesAreOfTheirTerm(history: History): string[] {
  const wrong: string[] = [];
  const claimed = new Map<string, number>();
  const before = new Map<string, { readonly writer: number; readonly status: unknown }>();
  const versions = [
    ...history.nodes.map((seen) => ({ ...seen, node: seen.object.metadata?.name ?? '' })),
    ...history.pods.map((seen) => ({ ...seen, node: seen.object.spec?.nodeName ?? '' })),
  ]
    .filter(({ type }) => type === 'there')
    .map((seen) => ({ ...seen, version: BigInt(seen.object.metadata?.resourceVersion ?? '0') }))
    .sort((a, b) => (a.version < b.version ? -1 : a.version > b.version ? 1 : 0));
  for (const { object, node } of versions) {
    const { uid = '', name = '', annotations = {} } = object.metadata ?? {};
    const stands = Math.max(Number(annotations[EPOCH_ANNOTATION] ?? 0), claimed.get(node) ?? 0);
    claimed.set(node, stands);
    const writer = Number(annotations[WRITER_EPOCH_ANNOTATION] ?? 0);
    const known = before.get(uid);
    before.set(uid, { writer, status: object.status });
    if (writer === 0 || (known?.writer === writer && isDeepStrictEqual(known.status, object.status))) continue;
    if (writer < stands) wrong.push(`${name} (${uid}) got a status of epoch ${writer} under epoch ${stands}`);
  }
  return wrong;
}
