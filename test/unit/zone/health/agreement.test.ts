import { expect, test } from 'vitest';
import { agree, type Observer } from '../../../../src/zone/health/agreement.ts';

function at(homeZone: string | undefined, state: Observer['sight']['state'], evidence = ''): Observer {
  return { replica: `r-${homeZone ?? 'x'}`, homeZone, sight: { state, evidence } };
}

const verdict = (own: Observer, others: readonly Observer[], everythingIsDown = false) =>
  agree({ own, others, everythingIsDown });

test('down needs two replicas in different zones, and none that reaches the backend', () => {
  const own = at('a', 'Down', 'connection refused');
  expect(verdict(own, [at('b', 'Down', 'no route to host'), at('c', 'Unknown')])).toEqual({
    state: 'Down',
    reason: 'BackendDown',
    message: 'r-a in a sees Down (connection refused); r-b in b sees Down (no route to host); r-c in c sees Unknown',
  });
  for (const others of [
    [],
    [at('b', 'Unknown')],
    [at('b', 'Down'), at('c', 'Up')],
    [at('b', 'Down'), at('c', 'NoNew')],
    [at('a', 'Down')],
    [at(undefined, 'Down')],
  ]) {
    expect(verdict(own, others)).toMatchObject({ state: 'NoNew', reason: 'BackendNotReached' });
  }
  expect(verdict(at(undefined, 'Down'), [at('b', 'Down')])).toMatchObject({ state: 'NoNew' });
});

test('what the leader sees itself is not overruled by what others miss', () => {
  const others = [at('b', 'Down'), at('c', 'Down')];
  expect(verdict(at('a', 'Up', 'fine'), others)).toEqual({ state: 'Up', reason: 'BackendUp', message: 'fine' });
  expect(verdict(at('a', 'NoNew', 'full'), others)).toEqual({
    state: 'NoNew',
    reason: 'BackendTakesNoNewPods',
    message: 'full',
  });
  expect(verdict(at('a', 'Unknown', 'nothing yet'), others)).toMatchObject({
    state: 'Unknown',
    message: 'nothing yet',
  });
});

test('when every backend looks down, nothing is concluded', () => {
  expect(verdict(at('a', 'Down'), [at('b', 'Down'), at('c', 'Down')], true)).toMatchObject({
    state: 'Unknown',
    reason: 'EveryBackendDown',
  });
});
