import { expect, test } from 'vitest';
import { joinedWith } from '../../src/joined-signal.ts';

test('a joined signal ends with either, and is the same one for the same other', () => {
  const base = new AbortController();
  const [a, b] = [new AbortController(), new AbortController()];
  const join = joinedWith(base.signal);
  expect(join(undefined)).toBe(base.signal);
  expect(join(base.signal)).toBe(base.signal);
  expect(join(a.signal)).toBe(join(a.signal));
  const [withA, withB] = [join(a.signal), join(b.signal)];
  a.abort();
  expect([withA.aborted, withB.aborted]).toEqual([true, false]);
  base.abort();
  expect(withB.aborted).toBe(true);
  expect(join(new AbortController().signal).aborted).toBe(true);
});
