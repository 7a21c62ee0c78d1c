import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { createKubeClient } from '../../../src/kube/api-client.ts';
import { NODES } from '../../../src/kube/resources.ts';
import type { Transport } from '../../../src/kube/transport.ts';
import { tellWarnings, warningsIn } from '../../../src/kube/warnings.ts';
import { silentLogger } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const tooLate = (epoch: number): string =>
  `Validation failed for ValidatingAdmissionPolicy 'zonelet-demo-fence': fenced: epoch ${epoch} is below 9`;

test.for([
  [undefined, []],
  ['299 - "v1beta1 is deprecated"', ['v1beta1 is deprecated']],
  [String.raw`299 - "says \"no\", and \\", 299 kube "two, with a comma"`, ['says "no", and \\', 'two, with a comma']],
  ['199 - "miscellaneous"', []],
  ['nonsense', []],
] as const)('the header %s holds %s', ([header, texts]) => {
  expect(warningsIn(header)).toEqual(texts);
});

test('every warning is counted, and each kind is told once, with the request that met it first', async () => {
  const told: object[] = [];
  const metrics = apiMetrics(new Registry());
  const answers = [tooLate(3), tooLate(4), 'v1 Something is deprecated', tooLate(3)].map((text) => `299 - "${text}"`);
  const transport = {
    request: async () => ({ status: 200, headers: { warning: answers.shift() ?? '' }, body: '{}' }),
  } as Partial<Transport> as Transport;
  const log = { ...silentLogger, warn: (fields: object) => void told.push(fields) };
  const client = createKubeClient({
    transport,
    clock: new VirtualClock(),
    onWarning: tellWarnings(log, metrics),
  });
  for (let i = 0; i < 5; i++) await client.patch(NODES, { name: 'n' }, { type: 'merge', body: {} });
  expect(told).toEqual([
    { request: 'PATCH /api/v1/nodes/n', warning: tooLate(3) },
    { request: 'PATCH /api/v1/nodes/n', warning: 'v1 Something is deprecated' },
  ]);
  expect((await metrics.warnings.get()).values[0]?.value).toBe(4);
});
