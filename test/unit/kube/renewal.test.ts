import { describe, expect, test } from 'vitest';
import { ZoneletError } from '../../../src/errors.ts';
import type { IdentitySource } from '../../../src/kube/identity.ts';
import { createRenewal, type Issued } from '../../../src/kube/renewal.ts';
import { silentLogger } from '../../../src/log.ts';
import { settle, VirtualClock } from '../../support/virtual-clock.ts';

const MINUTE = 60_000;

interface Stage {
  readonly clock: VirtualClock;
  readonly source: IdentitySource;
  readonly asked: boolean[];
  /** What the next renewals give. */
  next: () => Promise<Issued>;
  token(): Promise<string | undefined>;
}

function stage(first: (clock: VirtualClock) => Omit<Issued, 'identity'>): Stage {
  const clock = new VirtualClock();
  const asked: boolean[] = [];
  const s: Stage = {
    clock,
    asked,
    next: () => Promise.resolve({ identity: { authorization: `Bearer ${asked.length}` } }),
    source: createRenewal({
      first: { identity: { authorization: 'Bearer 0' }, ...first(clock) },
      renew(refused) {
        asked.push(refused);
        return s.next();
      },
      clock,
      log: silentLogger,
    }),
    token: async () => (await s.source.get()).authorization,
  };
  return s;
}

describe('renewal of an identity', () => {
  test('what does not run out is never asked for again', async () => {
    const s = stage(() => ({}));
    await s.clock.advance(365 * 24 * 60 * MINUTE);
    expect(await s.token()).toBe('Bearer 0');
    expect(s.asked).toEqual([]);
  });

  test('five minutes before its end a new one is fetched, while the old one is used', async () => {
    const s = stage((clock) => ({ expiresAtMs: clock.now() + 60 * MINUTE }));
    await s.clock.advance(54 * MINUTE);
    expect(await s.token()).toBe('Bearer 0');
    expect(s.asked).toEqual([]);
    await s.clock.advance(2 * MINUTE);
    const fetched = Promise.withResolvers<Issued>();
    s.next = () => fetched.promise;
    expect(await s.token()).toBe('Bearer 0');
    expect(await s.token()).toBe('Bearer 0');
    expect(s.asked).toEqual([false]);
    fetched.resolve({ identity: { authorization: 'Bearer new' }, expiresAtMs: s.clock.now() + 60 * MINUTE });
    await settle();
    expect(await s.token()).toBe('Bearer new');
  });

  test('once it has run out, nobody gets it before the new one is known to be unobtainable', async () => {
    const s = stage((clock) => ({ expiresAtMs: clock.now() + 60 * MINUTE }));
    await s.clock.advance(61 * MINUTE);
    expect(await s.token()).toBe('Bearer 1');
    const t = stage((clock) => ({ expiresAtMs: clock.now() + 60 * MINUTE }));
    t.next = () => Promise.reject(new ZoneletError('Unauthorized', 'log in first'));
    await t.clock.advance(61 * MINUTE);
    // The API server says what it thinks of it.
    expect(await t.token()).toBe('Bearer 0');
    expect(await t.token()).toBe('Bearer 0');
    expect(t.asked).toHaveLength(1);
    await t.clock.advance(MINUTE);
    t.next = () => Promise.resolve({ identity: { authorization: 'Bearer again' } });
    expect(await t.token()).toBe('Bearer again');
  });

  test('a refused one is asked for anew before the next use; one that is refused for good, ever more rarely', async () => {
    const s = stage(() => ({}));
    await s.clock.advance(MINUTE);
    s.source.refused(await s.source.get());
    expect(await s.token()).toBe('Bearer 1');
    expect(s.asked).toEqual([true]);
    // Told of the old one again, by a request that was under way: no news.
    s.source.refused({ authorization: 'Bearer 0' });
    await s.token();
    expect(s.asked).toEqual([true]);
    s.next = () => Promise.resolve({ identity: { authorization: 'Bearer 1' } });
    for (let i = 0; i < 3_600; i++) {
      await s.clock.advance(1_000);
      s.source.refused(await s.source.get());
    }
    expect(s.asked.length).toBeGreaterThan(10);
    expect(s.asked.length).toBeLessThan(25);
  });

  test('files are looked at again each minute; unchanged, they give the same identity', async () => {
    const s = stage(() => ({ goodForMs: MINUTE }));
    s.next = () => Promise.resolve({ identity: { authorization: 'Bearer 0' }, goodForMs: MINUTE });
    const first = await s.source.get();
    for (let i = 0; i < 10; i++) {
      await s.clock.advance(MINUTE);
      expect(await s.source.get()).toBe(first);
      await settle();
    }
    expect(s.asked.length).toBeGreaterThanOrEqual(2);
  });

  test('a machine whose clock says that a fresh identity has run out uses it all the same', async () => {
    const s = stage((clock) => ({ expiresAtMs: clock.now() - 60 * MINUTE }));
    expect(await s.token()).toBe('Bearer 0');
    expect(s.asked).toEqual([]);
  });
});
