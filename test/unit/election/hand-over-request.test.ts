import { expect, test } from 'vitest';
import { decide, putByHand } from '../../../src/election/hand-over-request.ts';
import { readRequest } from '../../../src/election/node-request.ts';
import type { Living } from '../../../src/election/roster.ts';
import type { Node } from '../../../src/kube/types.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const AT = new Date(NOW - 1_000).toISOString();

function other(name: string, more: Partial<Living> = {}): Living {
  return {
    name,
    holder: `${name}_-_boot`,
    homeZone: undefined,
    zonesHeld: 1,
    zones: [],
    campaignsFor: ['a', 'b'],
    draining: false,
    annotations: {},
    alive: true,
    silentMs: 0,
    ready: true,
    cutOffMs: new Map(),
    backends: new Map(),
    healthyMs: 100_000,
    ...more,
  };
}

function ask(to: string | undefined, others: readonly Living[], at = AT) {
  const request = { id: '1', by: 'ann@desk', at, ...(to === undefined ? {} : { to }) };
  return decide(request, { zone: 'a', self: 'r0', selfCutOff: false, others, nowMs: NOW, preferHome: true });
}

function refusal(answer: ReturnType<typeof ask>): string {
  return 'refused' in answer ? answer.refused : `to ${answer.to}`;
}

test('without a target the best other replica gets the zone', () => {
  const others = [other('r1', { zonesHeld: 0 }), other('r2', { homeZone: 'a', zonesHeld: 3 }), other('r3')];
  expect(ask(undefined, others)).toEqual({ to: 'r2' });
  expect(ask(undefined, [other('r1', { draining: true }), other('r3')])).toEqual({ to: 'r3' });
  expect(refusal(ask(undefined, [other('r1', { campaignsFor: ['b'] })]))).toContain('no other replica');
});

test('a target has to be alive and ready, to have the zone, and not to be draining; the refusal says which', () => {
  expect(ask('r1', [other('r1')])).toEqual({ to: 'r1' });
  expect(ask('r0', [])).toEqual({ to: 'r0' });
  expect(refusal(ask('r9', [other('r2'), other('r1')]))).toBe('r9 is not alive; besides the leader there are: r1, r2');
  expect(refusal(ask('r1', [other('r1', { ready: false })]))).toContain('only just started');
  expect(refusal(ask('r1', [other('r1', { campaignsFor: [] })]))).toContain('does not have the zone');
  const blind = other('r1', { backends: new Map([['a', { state: 'Down', evidence: 'refused' }]]) });
  expect(refusal(ask('r1', [blind]))).toContain("does not reach the zone's backend");
  const draining = other('r1', { draining: true, annotations: { 'zonelet.dev/draining': 'its node is cordoned' } });
  expect(refusal(ask('r1', [draining]))).toBe('r1 takes no zones: its node is cordoned');
});

test('a request that is a minute old, or of a minute to come, has expired', () => {
  for (const offMs of [-61_000, 61_000]) {
    expect(refusal(ask('r1', [other('r1')], new Date(NOW + offMs).toISOString()))).toContain('has expired');
  }
  expect(refusal(ask('r1', [other('r1')], 'yesterday'))).toContain('has expired');
});

test('what is not written as a request is told from none', () => {
  const node = (value: string): Node => ({ metadata: { annotations: { 'zonelet.dev/handover-to': value } } });
  expect(readRequest({ metadata: {} }, 'zonelet.dev/handover-to')).toBeUndefined();
  for (const text of ['replica-1', '{}', '[]', 'null', '{"id":1}'])
    expect(readRequest(node(text), 'zonelet.dev/handover-to')).toBe('unreadable');
});

test('only the term that a request has led to was put where it is by hand', () => {
  const outcome = { id: '1', by: 'ann', at: AT, to: 'r1', epoch: 7 };
  const node = (more: object): Node => ({
    metadata: { annotations: { 'zonelet.dev/handover': JSON.stringify({ ...outcome, ...more }) } },
  });
  const term = (replica: string, epoch: number) => ({ holder: `${replica}_-_boot`, epoch });
  expect(putByHand(node({}), term('r1', 8))).toBe(true);
  expect(putByHand(node({}), term('r1', 9))).toBe(false);
  expect(putByHand(node({}), term('r2', 8))).toBe(false);
  expect(putByHand(node({ refused: 'no' }), term('r1', 8))).toBe(false);
});
