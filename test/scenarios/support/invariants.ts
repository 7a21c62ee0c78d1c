/**
 * What must always hold, checked over the recorded histories of the API server and the backends. Each check answers with
 * what it found wrong, so that a failure names the pod, the zone and the write.
 */
import { isDeepStrictEqual } from 'node:util';
import type { JournalEntry } from '../../../src/commands/demo/journal.ts';
import { WRITER_EPOCH_ANNOTATION, zoneLeaseName } from '../../../src/election/names.ts';
import { parseTime } from '../../../src/kube/micro-time.ts';
import type { Pod } from '../../../src/kube/types.ts';
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

/**
 * A virtual node that was Ready stays Ready. `blind`: when the cluster's node controller could not see, or did not yet
 * see again, what the nodes say of themselves; that it calls them Unknown then is not theirs to prevent.
 */
export function nodesStayReady(history: History, set: string, blind: readonly Outage[] = []): string[] {
  const wrong: string[] = [];
  const ready = new Set<string>();
  for (const { t, type, object } of history.nodes) {
    const { name = '', labels = {} } = object.metadata ?? {};
    if (labels[SET_LABEL] !== set) continue;
    if (type === 'gone') ready.delete(name);
    if (type === 'gone') continue;
    const condition = object.status?.conditions?.find((each) => each.type === 'Ready');
    const unseen = condition?.status === 'Unknown' && blind.some(({ from, until }) => from <= t && t <= until);
    if (condition?.status === 'True') ready.add(name);
    else if (ready.has(name) && !unseen) {
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

/** A stretch of time, in milliseconds since the epoch, in which no zone can be led: no API server, or no replica. */
export interface Outage {
  readonly from: number;
  readonly until: number;
}

/**
 * Ten lease durations. A take-over needs little more than one, as the benchmarks say; here a machine may be so busy that
 * processes stand still, and the next leader may be killed just as it was about to take over.
 */
const LED_AGAIN_MS = 60_000;

export interface Led {
  readonly set: string;
  readonly zones: readonly { readonly name: string; readonly nodeName: string }[];
  readonly outages: readonly Outage[];
  /** When the history was read, in milliseconds since the epoch. */
  readonly now: number;
}

/**
 * No zone is without a leader for longer than the bound: neither by its Lease, whose renewals and releases say until when
 * somebody led, nor by its Node, which every new leader has to claim before it acts.
 */
export function zonesAreLed(history: History, { set, zones, outages, now }: Led): string[] {
  const wrong: string[] = [];
  const leaderless = (from: number, until: number): number =>
    outages.reduce(
      (left, outage) => left - Math.max(0, Math.min(until, outage.until) - Math.max(from, outage.from)),
      until - from,
    );
  const check = (from: number, until: number, what: string): void => {
    const tookMs = leaderless(from, until);
    if (tookMs > LED_AGAIN_MS)
      wrong.push(`${what} after ${Math.round(tookMs)} ms, at ${new Date(until).toISOString()}`);
  };
  for (const { name: zone, nodeName } of zones) {
    const signs: { readonly at: number; readonly epoch: number }[] = [];
    let last: number | undefined;
    for (const { type, object } of history.leases) {
      if (object.metadata?.name !== zoneLeaseName(set, zone) || type === 'gone') continue;
      const at = parseTime(object.spec?.renewTime);
      if (at === undefined) continue;
      if (last !== undefined) check(last, at, `${zone} was led again`);
      signs.push({ at, epoch: object.spec?.leaseTransitions ?? 0 });
      last = Math.max(last ?? at, at);
    }
    if (last === undefined) wrong.push(`${zone} was never led`);
    else check(last, now, `${zone} was not led at the end, which came`);

    let claimed = 0;
    for (const { t, type, object } of history.nodes) {
      if (object.metadata?.name !== nodeName || type === 'gone') continue;
      const epoch = Number(object.metadata.annotations?.[EPOCH_ANNOTATION] ?? 0);
      if (epoch <= claimed) continue;
      claimed = epoch;
      const before = signs.filter((sign) => sign.epoch < epoch && sign.at <= t).at(-1);
      if (before !== undefined) check(before.at, t, `${nodeName} was claimed with epoch ${epoch}`);
    }
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

export interface Violation {
  /** Which invariant, and in a few words. */
  readonly what: string;
  /** Which pod, node or zone, and what happened to it. */
  readonly evidence: string;
}

export interface Circumstances extends Led {
  /** When the cluster's node controller could not see what nodes say of themselves. */
  readonly blind?: readonly Outage[];
  /** Nodes whose epoch somebody has edited. */
  readonly editedNodes?: readonly string[];
}

/** Everything that is wrong by the histories up to now. */
export function violations(journals: Journals, history: History, circumstances: Circumstances): Violation[] {
  const { set, zones, blind, editedNodes } = circumstances;
  const nodeOf = (zone: string): string => zones.find(({ name }) => name === zone)?.nodeName ?? '';
  const checks = {
    'I1, a stale write was accepted': epochsNeverFall(journals),
    'I1, an epoch on a Node fell': claimsNeverFall(history, editedNodes),
    'I1, a status of a term that was over': statusesAreOfTheirTerm(history),
    'I2, creation': createdOnce(journals, history, nodeOf),
    'I3, a status went back': podsNeverGoBack(history),
    'I4, a delete': deletedOnlyWhatWasToGo(journals, history),
    'I7, a Node did not stay Ready': nodesStayReady(history, set, blind),
    'I9, a zone was not led': zonesAreLed(history, circumstances),
  };
  return Object.entries(checks).flatMap(([what, wrong]) => wrong.map((evidence) => ({ what, evidence })));
}
