import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { claimAt, freeAt, freeBy, type Preference, type Standing } from '../../../src/election/eligibility.ts';
import type { LockRecord } from '../../../src/election/lock.ts';
import type { Sighting } from '../../../src/election/observer.ts';
import type { Proof } from '../../../src/election/witness.ts';

const LEASE_MS = 6_000;
const time = fc.integer({ min: 0, max: 30_000 });

/** Of another replica, which has not let go. */
const held = fc.record<LockRecord>({
  holder: fc.constantFrom('other_pod-2_boot', 'other_-_boot', 'somebody else'),
  epoch: fc.nat(9),
  durationMs: fc.constantFrom(1_000, LEASE_MS, 15_000),
  released: fc.constant(false),
  handOverTo: fc.constantFrom(undefined, 'me', 'other'),
  ageMs: fc.constant(0),
  version: fc.constant('7'),
});
const sighting = fc.record<Sighting>({ record: held, since: time, before: fc.constant(undefined) });
const proof = fc.record<Proof>({ by: fc.constantFrom('terminated', 'refused'), at: time, coversUntil: time });
const preference = fc.record<Preference>({
  atHome: fc.boolean(),
  draining: fc.boolean(),
  homeSeen: fc.boolean(),
  rank: fc.nat(4),
  rankDelayMs: fc.integer({ min: 50, max: 500 }),
  startedAt: time,
  reachableSince: time,
  returnSpreadMs: fc.constant(1_000),
});

function standing(known: Proof | undefined): Standing {
  const self = { holder: 'me_pod-1_boot', replica: 'me', leaseDurationMs: LEASE_MS };
  return { ...self, neverLed: false, mayRecreate: false, proof: known };
}

/** The record's whole time, by the own clock, from when it was first seen. */
const runsOutAt = ({ record, since }: Sighting): number => since + Math.max(LEASE_MS, record?.durationMs ?? 0);

describe('a lock that another replica holds is free', () => {
  test('without a proof, when its whole time has passed: never earlier', () => {
    fc.assert(
      fc.property(sighting, (seen) => {
        expect(freeAt(seen, standing(undefined))).toBe(runsOutAt(seen));
        expect(freeBy(seen, standing(undefined), runsOutAt(seen) - 1)).toBeUndefined();
      }),
    );
  });

  test('with a proof, from when it was proved, and never later than without', () => {
    fc.assert(
      fc.property(sighting, proof, (seen, known) => {
        fc.pre(seen.since <= known.coversUntil);
        const free = freeAt(seen, standing(known));
        expect(free).toBe(Math.min(Math.max(seen.since, known.at), runsOutAt(seen)));
        expect(freeBy(seen, standing(known), free)).toBe(free < runsOutAt(seen) ? known.by : undefined);
      }),
    );
  });

  test('as without one, when the record changed after what the proof covers', () => {
    fc.assert(
      fc.property(sighting, proof, (seen, known) => {
        fc.pre(seen.since > known.coversUntil);
        expect(freeAt(seen, standing(known))).toBe(runsOutAt(seen));
        expect(freeBy(seen, standing(known), runsOutAt(seen) - 1)).toBeUndefined();
      }),
    );
  });

  test('and whatever is preferred, it is claimed no earlier than it is free', () => {
    fc.assert(
      fc.property(sighting, fc.option(proof, { nil: undefined }), preference, (seen, known, preferred) => {
        const at = claimAt(seen, standing(known), preferred);
        expect(at).toBeGreaterThanOrEqual(freeAt(seen, standing(known)));
      }),
    );
  });
});

test('an earlier process of the same pod is replaced at once, and says so only while its time still runs', () => {
  const record: LockRecord = {
    holder: 'me_pod-1_boot-before',
    epoch: 3,
    durationMs: LEASE_MS,
    released: false,
    handOverTo: undefined,
    ageMs: 0,
    version: '7',
  };
  const seen: Sighting = { record, since: 1_000, before: undefined };
  expect(freeAt(seen, standing(undefined))).toBe(1_000);
  expect(freeBy(seen, standing(undefined), 1_000)).toBe('restarted');
  expect(freeBy(seen, standing(undefined), 1_000 + LEASE_MS)).toBeUndefined();
});
