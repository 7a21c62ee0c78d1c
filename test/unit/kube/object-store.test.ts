import { describe, expect, test } from 'vitest';
import { createObjectStore, type ObjectStore } from '../../../src/kube/object-store.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { silentLogger } from '../../../src/log.ts';

function pod(name: string, resourceVersion: number, uid = `uid-${name}`): Pod {
  return { metadata: { name, namespace: 'ns', uid, resourceVersion: String(resourceVersion) } };
}

function follow(store: ObjectStore<Pod>): string[] {
  const told: string[] = [];
  const show = (one: Pod): string => `${one.metadata?.name}@${one.metadata?.resourceVersion}`;
  store.subscribe({
    added: (one) => void told.push(`+${show(one)}`),
    updated: (before, after) => void told.push(`${show(before)}>${show(after)}`),
    deleted: (last) => void told.push(`-${show(last)}`),
  });
  return told;
}

describe('object store', () => {
  test('tells the difference that a list makes: what went, what changed, what came, and nothing of the rest', () => {
    const store = createObjectStore<Pod>(silentLogger);
    store.snapshot([pod('gone', 1), pod('same', 2), pod('changed', 3)], '3');
    const told = follow(store);
    expect(told).toEqual(['+gone@1', '+same@2', '+changed@3']);
    told.length = 0;
    const same = store.objects.get('ns/same');
    store.snapshot([pod('same', 2), pod('changed', 5), pod('new', 4)], '6');
    expect(told).toEqual(['-gone@1', 'changed@3>changed@5', '+new@4']);
    expect(store.objects.get('ns/same')).toBe(same);
    expect(store.position).toBe('6');
  });

  test('an older list changes nothing, and events that a list holds are skipped: no deletion is undone', () => {
    const store = createObjectStore<Pod>(silentLogger);
    store.snapshot([pod('a', 1)], '5');
    store.apply('DELETED', pod('a', 8));
    const told = follow(store);
    store.snapshot([pod('a', 1)], '7');
    expect(told).toEqual([]);
    store.snapshot([], '9');
    store.apply('ADDED', pod('a', 6));
    expect(store.list()).toEqual([]);
    store.apply('ADDED', pod('b', 10));
    expect(told).toEqual(['+b@10']);
  });

  test('an object made anew under the same name is another one', () => {
    const store = createObjectStore<Pod>(silentLogger);
    store.snapshot([pod('a', 1, 'first')], '1');
    const told = follow(store);
    store.apply('MODIFIED', pod('a', 5, 'second'));
    expect(told).toEqual(['+a@1', '-a@1', '+a@5']);
  });

  test('a new history is taken as it is, also when its versions are lower', () => {
    const store = createObjectStore<Pod>(silentLogger);
    store.snapshot([pod('a', 90), pod('lost', 95)], '100');
    store.restart([pod('a', 40)], '50');
    expect(store.list()).toEqual([pod('a', 40)]);
    store.apply('MODIFIED', pod('a', 51));
    expect(store.objects.get('ns/a')?.metadata?.resourceVersion).toBe('51');
    expect(store.position).toBe('51');
  });

  test('bookmarks only move on', () => {
    const store = createObjectStore<Pod>(silentLogger);
    store.snapshot([], '10');
    store.bookmark('30');
    store.bookmark('20');
    store.bookmark('');
    expect(store.position).toBe('30');
  });

  test('a handler that throws costs the others nothing; one that left hears nothing; the list is made once per change', () => {
    const errors: object[] = [];
    const store = createObjectStore<Pod>({ ...silentLogger, error: (fields) => void errors.push(fields) });
    store.subscribe({
      added() {
        throw new TypeError('a defect');
      },
    });
    const told = follow(store);
    let heard = 0;
    const leave = store.subscribe({ added: () => void heard++ });
    store.snapshot([pod('a', 1)], '1');
    leave();
    store.apply('ADDED', pod('b', 2));
    expect(told).toEqual(['+a@1', '+b@2']);
    expect(heard).toBe(1);
    expect(errors).toMatchObject([{ error: 'a defect' }, { error: 'a defect' }]);
    const list = store.list();
    expect(store.list()).toBe(list);
    store.apply('DELETED', pod('a', 3));
    expect(store.list()).not.toBe(list);
  });
});
