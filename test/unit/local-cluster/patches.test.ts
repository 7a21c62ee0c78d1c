import { describe, expect, it } from 'vitest';
import { applyJsonPatch } from '../../../src/local-cluster/api-server/patch/json.ts';
import { applyMergePatch } from '../../../src/local-cluster/api-server/patch/merge.ts';
import { applyStrategicPatch } from '../../../src/local-cluster/api-server/patch/strategic.ts';

describe('strategic merge patch', () => {
  const strategic = (spec: object, patch: object): unknown =>
    applyStrategicPatch({ spec }, { spec: patch }, 'Pod').spec;

  it('merges lists by their keys and keeps what it does not name', () => {
    const before = {
      containers: [
        { name: 'a', image: '1' },
        { name: 'b', image: '1' },
      ],
    };
    const patch = {
      containers: [
        { name: 'b', image: '2' },
        { name: 'c', image: '3' },
      ],
    };
    expect(strategic(before, patch)).toEqual({
      containers: [
        { name: 'a', image: '1' },
        { name: 'b', image: '2' },
        { name: 'c', image: '3' },
      ],
    });
  });

  it('takes elements away, and replaces lists and maps, when told to', () => {
    const before = { containers: [{ name: 'a' }, { name: 'b' }], nodeSelector: { x: '1', y: '2' } };
    expect(strategic(before, { containers: [{ name: 'a', $patch: 'delete' }] })).toMatchObject({
      containers: [{ name: 'b' }],
    });
    expect(strategic(before, { containers: [{ $patch: 'replace' }, { name: 'z' }] })).toMatchObject({
      containers: [{ name: 'z' }],
    });
    expect(strategic(before, { nodeSelector: { $patch: 'replace', z: '3' } })).toMatchObject({
      nodeSelector: { z: '3' },
    });
    expect(strategic(before, { nodeSelector: { x: null } })).toMatchObject({ nodeSelector: { y: '2' } });
  });

  it('replaces lists without a key', () => {
    const before = { tolerations: [{ key: 'a' }] };
    expect(strategic(before, { tolerations: [{ key: 'b' }] })).toEqual({ tolerations: [{ key: 'b' }] });
  });

  it('puts elements in the order that is asked for', () => {
    const before = { containers: [{ name: 'a' }, { name: 'b' }] };
    const patch = {
      '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }],
      containers: [{ name: 'a', image: 'x' }],
    };
    expect(strategic(before, patch)).toEqual({ containers: [{ name: 'b' }, { name: 'a', image: 'x' }] });
  });

  it('keeps only the keys that are named of a union', () => {
    const before = { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } };
    const patch = { strategy: { $retainKeys: ['type'], type: 'Recreate' } };
    expect(applyStrategicPatch({ spec: before }, { spec: patch }, 'Deployment').spec).toEqual({
      strategy: { type: 'Recreate' },
    });
  });

  it('adds to and takes from lists of values', () => {
    const object = { metadata: { finalizers: ['a', 'b'] } };
    const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['c'] } };
    expect(applyStrategicPatch(object, patch, 'Pod')).toEqual({ metadata: { finalizers: ['b', 'c'] } });
  });
});

describe('JSON patch', () => {
  it('applies operations in their order and leaves the original alone', () => {
    const before = { a: { b: [1, 2] } };
    const patch = [
      { op: 'test', path: '/a/b/0', value: 1 },
      { op: 'add', path: '/a/b/-', value: 3 },
      { op: 'remove', path: '/a/b/0' },
      { op: 'add', path: '/a/c~1d', value: 'x' },
      { op: 'move', from: '/a/c~1d', path: '/e' },
      { op: 'copy', from: '/a/b', path: '/f' },
    ];
    expect(applyJsonPatch(before, patch)).toEqual({ a: { b: [2, 3] }, e: 'x', f: [2, 3] });
    expect(before).toEqual({ a: { b: [1, 2] } });
  });

  it('does nothing of what does not fit', () => {
    const before = { a: 1 };
    for (const operation of [
      { op: 'test', path: '/a', value: 2 },
      { op: 'remove', path: '/b' },
      { op: 'replace', path: '/b', value: 1 },
      { op: 'add', path: '/a/b/c', value: 1 },
    ]) {
      expect(() => applyJsonPatch(before, [operation])).toThrow('rejected our request');
    }
  });
});

describe('merge patch', () => {
  it('merges maps, replaces lists, removes by null', () => {
    const before = { a: { b: 1, c: 2 }, d: [1] };
    expect(applyMergePatch(before, { a: { b: null, e: 3 }, d: [2] })).toEqual({ a: { c: 2, e: 3 }, d: [2] });
    expect(before).toEqual({ a: { b: 1, c: 2 }, d: [1] });
  });
});
