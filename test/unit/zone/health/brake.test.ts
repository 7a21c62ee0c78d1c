import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Node } from '../../../../src/kube/types.ts';
import { askBrake } from '../../../../src/zone/health/brake.ts';

function node(name: string, ready: string, backend: string): Node {
  const conditions = [
    { type: 'Ready', status: ready },
    { type: 'zonelet.dev/BackendReady', status: backend },
  ];
  return { metadata: { name }, status: { conditions } };
}

test('a zone may go while it does not make a majority of those in trouble', () => {
  const down = node('a', 'True', 'False');
  const ask = (nodes: Node[], nodeNames: string[]) => askBrake({ nodes, nodeName: 'a', nodeNames }).state;
  expect(ask([down], ['a'])).toBe('held');
  expect(ask([down, node('b', 'True', 'True')], ['a', 'b'])).toBe('free');
  expect(ask([down, node('b', 'True', 'Unknown'), node('c', 'True', 'True')], ['a', 'b', 'c'])).toBe('free');
  for (const other of [
    node('b', 'True', 'False'),
    node('b', 'False', 'True'),
    node('b', 'Unknown', 'True'),
    node('x', 'True', 'True'),
  ]) {
    expect(ask([down, other, node('c', 'True', 'True')], ['a', 'b', 'c'])).toBe('held');
  }
  expect(ask([node('a', 'True', 'Unknown'), node('b', 'True', 'True')], ['a', 'b'])).toBe('not announced');
});

test('whatever the order in which leaders announce, read and go, never a majority of the zones goes', () => {
  const counts = fc.integer({ min: 1, max: 7 });
  const orders = fc.array(fc.nat(6), { minLength: 5, maxLength: 60 });
  fc.assert(
    fc.property(counts, orders, (count, order) => {
      const names = Array.from({ length: count }, (_, i) => `n${i}`);
      const said = new Map(names.map((name) => [name, node(name, 'True', 'True')]));
      const next = new Map(names.map((name) => [name, 'announce' as 'announce' | 'read' | 'go' | 'over']));
      for (const turn of order) {
        const nodeName = names[turn % count] ?? '';
        switch (next.get(nodeName)) {
          case 'announce':
            said.set(nodeName, node(nodeName, 'True', 'False'));
            next.set(nodeName, 'read');
            break;
          case 'read': {
            const { state } = askBrake({ nodes: [...said.values()], nodeName, nodeNames: names });
            // One that is held asks again.
            next.set(nodeName, state === 'free' ? 'go' : 'read');
            break;
          }
          case 'go':
            said.set(nodeName, node(nodeName, 'False', 'False'));
            next.set(nodeName, 'over');
            break;
          default:
        }
        const gone = [...said.values()].filter(({ status }) => status?.conditions?.[0]?.status === 'False');
        expect(gone.length * 2).toBeLessThanOrEqual(count);
      }
    }),
    { numRuns: 500, seed: 3 },
  );
});
