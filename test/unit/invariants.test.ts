import { describe, expect, test } from 'vitest';
import type { JournalEntry } from '../../src/commands/demo/journal.ts';
import { EPOCH_ANNOTATION, SET_LABEL, WRITER_EPOCH_ANNOTATION } from '../../src/election/names.ts';
import type { Lease, Node, Pod } from '../../src/kube/types.ts';
import type { Seen } from '../scenarios/support/history.ts';
import {
  claimsNeverFall,
  createdOnce,
  deletedOnlyWhatWasToGo,
  epochsNeverFall,
  nodesStayReady,
  podsNeverGoBack,
  statusesAreOfTheirTerm,
} from '../scenarios/support/invariants.ts';
import { zonesAreLed } from '../scenarios/support/leadership.ts';
import { history, type Parts } from '../support/recorded-history.ts';

const BEGIN = Date.UTC(2026, 0, 1);
const at = (seconds: number): number => BEGIN + seconds * 1000;
const text = (seconds: number): string => new Date(at(seconds)).toISOString();

function pod(seconds: number, of: Partial<Pod['metadata']> = {}, status: Pod['status'] = {}): Seen<Pod> {
  const metadata = { name: 'a', uid: 'uid-a', ...of };
  return { t: at(seconds), type: 'there', object: { metadata, spec: { nodeName: 'demo-a', containers: [] }, status } };
}

function node(seconds: number, epoch: number, ready = 'True'): Seen<Node> {
  return {
    t: at(seconds),
    type: 'there',
    object: {
      metadata: { name: 'demo-a', labels: { [SET_LABEL]: 'demo' }, annotations: { [EPOCH_ANNOTATION]: String(epoch) } },
      status: { conditions: [{ type: 'Ready', status: ready }] },
    },
  };
}

function lease(seconds: number, epoch: number, holder = 'replica-0_-_x'): Seen<Lease> {
  const spec = { holderIdentity: holder, leaseTransitions: epoch, renewTime: text(seconds) };
  return { t: at(seconds), type: 'there', object: { metadata: { name: 'zonelet-demo-a' }, spec } };
}

const journal = (...entries: JournalEntry[]) => new Map([['a', entries]]);
const entry = (op: JournalEntry['op'], seconds: number, epoch = 1, uid = 'uid-a'): JournalEntry => ({
  t: at(seconds),
  op,
  uid,
  epoch,
  outcome: 'accepted',
});
const nodeOf = (zone: string): string => `demo-${zone}`;

/** What the scenarios rely on must itself be able to say no. */
describe('the invariants of the scenarios', () => {
  test('I1: epochs of accepted mutations, and on the Node', () => {
    expect(epochsNeverFall(journal(entry('create', 1, 1), entry('create', 2, 2)))).toEqual([]);
    expect(epochsNeverFall(journal(entry('create', 1, 2), entry('create', 2, 1)))).toHaveLength(1);
    expect(claimsNeverFall(history({ nodes: [node(1, 1), node(2, 2)] }))).toEqual([]);
    expect(claimsNeverFall(history({ nodes: [node(1, 2), node(2, 1)] }))).toHaveLength(1);
  });

  test('I1: statuses of a term that was over, in the order of the API server', () => {
    const claim = (version: number, epoch: number): Seen<Node> => {
      const { object, ...seen } = node(0, epoch);
      return {
        ...seen,
        object: { ...object, metadata: { ...object.metadata, uid: 'n', resourceVersion: `${version}` } },
      };
    };
    const said = (version: number, epoch: number, message: string): Seen<Pod> => {
      const annotations = { [WRITER_EPOCH_ANNOTATION]: String(epoch) };
      return pod(0, { resourceVersion: String(version), annotations }, { message });
    };
    const bad = (nodes: Seen<Node>[], pods: Seen<Pod>[]): string[] => statusesAreOfTheirTerm(history({ nodes, pods }));
    expect(bad([claim(9, 1), claim(11, 2)], [said(10, 1, 'a'), said(100, 2, 'b')])).toEqual([]);
    expect(bad([claim(9, 1), claim(11, 2)], [said(12, 1, 'a')])).toHaveLength(1);
    expect(bad([claim(9, 1), claim(11, 2)], [said(10, 1, 'a'), said(12, 1, 'b')])).toHaveLength(1);
    // Something else of it changed: its status is still that of its last writer.
    expect(bad([claim(9, 1), claim(11, 2)], [said(10, 1, 'a'), said(12, 1, 'a')])).toEqual([]);
  });

  test('I2: created twice, or never bound there', () => {
    const seen = history({ pods: [pod(0)] });
    expect(createdOnce(journal(entry('create', 1)), seen, nodeOf)).toEqual([]);
    expect(createdOnce(journal(entry('create', 1), entry('create', 2)), seen, nodeOf)).toHaveLength(1);
    expect(createdOnce(journal(entry('create', 1, 1, 'uid-b')), seen, nodeOf)).toHaveLength(1);
    expect(createdOnce(journal(entry('create', 1)), seen, () => 'demo-b')).toHaveLength(1);
  });

  test('I3: a terminal phase, restarts, and whose container it is', () => {
    const container = (restartCount: number, uid: string) => ({
      containerStatuses: [
        { name: 'app', restartCount, containerID: `web://${uid}/app/0`, image: '', imageID: '', ready: true },
      ],
    });
    const bad = (...pods: Seen<Pod>[]): string[] => podsNeverGoBack(history({ pods }));
    expect(bad(pod(0, {}, container(1, 'uid-a')), pod(1, {}, container(2, 'uid-a')))).toEqual([]);
    expect(bad(pod(0, {}, container(2, 'uid-a')), pod(1, {}, container(1, 'uid-a')))).toHaveLength(1);
    expect(bad(pod(0, {}, container(0, 'uid-b')))).toHaveLength(1);
    expect(bad(pod(0, {}, { phase: 'Failed' }), pod(1, {}, { phase: 'Running' }))).toHaveLength(1);
  });

  test('I4: deleted on the backend before, or without, the API', () => {
    const asked = { deletionTimestamp: text(40), deletionGracePeriodSeconds: 30 };
    const gone: Seen<Pod> = { ...pod(50), type: 'gone' };
    const bad = (seconds: number, ...pods: Seen<Pod>[]): string[] =>
      deletedOnlyWhatWasToGo(journal(entry('delete', seconds)), history({ pods }));
    // Heard of late: the API server's own time counts.
    expect(bad(11, pod(0), pod(15, asked))).toEqual([]);
    expect(bad(9, pod(0), pod(15, asked))).toHaveLength(1);
    expect(bad(49, pod(0), gone)).toEqual([]);
    expect(bad(10, pod(0), gone)).toHaveLength(1);
    expect(bad(10, pod(0))).toHaveLength(1);
  });

  test('I7: a Node that was Ready', () => {
    const bad = (nodes: Seen<Node>[], blind: { from: number; until: number }[] = []): string[] =>
      nodesStayReady(history({ nodes }), 'demo', at(100), blind);
    expect(bad([node(0, 1, 'False'), node(1, 1)])).toEqual([]);
    const lost = [node(0, 1), node(50, 1, 'Unknown'), node(55, 1)];
    expect(bad(lost)).toEqual([expect.stringContaining('for 5000 ms')]);
    expect(bad(lost, [{ from: at(10), until: at(60) }])).toEqual([]);
    expect(bad(lost, [{ from: at(10), until: at(40) }])).toHaveLength(1);
    expect(bad(lost, [{ from: at(10), until: at(53) }])).toEqual([expect.stringContaining('for 2000 ms')]);
    expect(bad(lost.slice(0, 2), [{ from: at(10), until: at(60) }])).toEqual([expect.stringContaining('for 40000 ms')]);
    expect(bad([node(0, 1), node(50, 1, 'False')], [{ from: at(10), until: at(60) }])).toHaveLength(1);
  });

  test('I9: a zone that nobody leads for too long', () => {
    const bad = (parts: Parts, now: number, outages: { from: number; until: number }[] = []): string[] =>
      zonesAreLed(history(parts), { set: 'demo', zones: [{ name: 'a', nodeName: 'demo-a' }], outages, now: at(now) });
    const renewed = [lease(0, 1), lease(50, 1), lease(58, 2)];
    expect(bad({ leases: renewed, nodes: [node(1, 1), node(59, 2)] }, 100)).toEqual([]);
    expect(bad({ leases: renewed, nodes: [node(1, 1), node(59, 2)] }, 200)).toHaveLength(1);
    expect(bad({ leases: renewed, nodes: [node(1, 1), node(120, 2)] }, 100)).toHaveLength(1);
    expect(bad({ leases: [lease(0, 1), lease(70, 2)] }, 80)).toHaveLength(1);
    expect(bad({ leases: [lease(0, 1), lease(70, 2)] }, 80, [{ from: at(10), until: at(40) }])).toEqual([]);
    expect(bad({}, 10)).toHaveLength(1);
  });
});
