import { expect, test } from 'vitest';
import { startHttpServer } from '../../../src/metrics/http-server.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';

test('serves metrics, liveness and a readiness that says what is missing', async () => {
  const metrics = createMetrics({ set: 'shop', version: '1.2.3', runtime: false });
  let synced = false;
  await using server = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    registry: metrics.registry,
    readiness: [{ name: 'cache', check: () => ({ ok: synced, detail: synced ? '' : 'not listed yet' }) }],
  });
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
    return { status: response.status, body: await response.text(), type: response.headers.get('content-type') };
  };

  metrics.election.leader.set({ zone: 'zone-a' }, 1);
  const page = await get('/metrics');
  expect(page).toMatchObject({ status: 200, type: expect.stringContaining('text/plain') });
  expect(page.body).toContain('zonelet_leader{zone="zone-a",set="shop"} 1');
  expect(page.body).toContain('zonelet_build_info{version="1.2.3",set="shop"} 1');

  expect(await get('/livez')).toMatchObject({ status: 200, body: 'ok\n' });
  expect(await get('/readyz')).toMatchObject({ status: 503, body: '[-]cache: not listed yet\nnot ready\n' });
  synced = true;
  expect(await get('/readyz')).toMatchObject({ status: 200, body: '[+]cache\nready\n' });
  expect((await get('/metrics', { method: 'POST' })).status).toBe(405);
  expect((await get('/else')).status).toBe(404);
});
