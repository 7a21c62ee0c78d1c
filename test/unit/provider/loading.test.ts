import { describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../../src/clock.ts';
import { silentLogger } from '../../../src/log.ts';
import { createProvider, loadProvider } from '../../../src/provider/loading.ts';

const context = {
  set: 'demo',
  zone: 'zone-a',
  region: 'local',
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
};

describe('loading a provider', () => {
  it('makes one from the configuration', async () => {
    await using provider = await createProvider({ kind: 'simulated', capacity: { cpu: '4' } }, context);
    expect(provider).toMatchObject({ kind: 'simulated', zone: 'zone-a' });
    for await (const report of provider.zoneReports(new AbortController().signal)) {
      expect(report).toMatchObject({ state: 'Up', capacity: { cpu: '4' } });
      break;
    }
  });

  it.each([
    ['simulatd', 'unknown provider kind "simulatd", did you mean simulated? (known kinds: simulated, web)'],
    ['Web', 'unknown provider kind "Web", did you mean web? (known kinds: simulated, web)'],
    ['kubernetes', 'unknown provider kind "kubernetes" (known kinds: simulated, web)'],
    ['constructor', 'unknown provider kind "constructor" (known kinds: simulated, web)'],
  ])('says what it knows instead of %s', async (kind, message) => {
    expect(await loadProvider({ kind })).toEqual({ ok: false, problems: [{ path: ['kind'], message }] });
  });

  it('names every wrong option', async () => {
    const raw = {
      kind: 'simulated',
      startDelayMs: -1,
      capacity: { cpu: 4, pods: 'many' },
      podCIDR: '198.18.0.1/15',
      colour: 'red',
    };
    const loaded = await loadProvider(raw);
    expect(loaded.ok ? [] : loaded.problems.map(({ path }) => path.join('.')).sort()).toEqual([
      'capacity.cpu',
      'capacity.pods',
      'colour',
      'podCIDR',
      'startDelayMs',
    ]);
    await expect(createProvider(raw, context)).rejects.toMatchObject({ code: 'InvalidInput' });
  });
});
