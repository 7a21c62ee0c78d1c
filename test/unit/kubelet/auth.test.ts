import { describe, expect, it } from 'vitest';
import { createKubeletAuth } from '../../../src/kubelet/auth.ts';
import { silentLogger } from '../../../src/log.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';
import { createReviewer } from './reviewer.ts';

function setUp() {
  const reviewer = createReviewer();
  const clock = new VirtualClock();
  const auth = createKubeletAuth({ client: reviewer.client, nodeName: 'demo-zone-a', clock, log: silentLogger });
  reviewer.tokens.set('good', { username: 'scraper', groups: ['system:authenticated'] });
  return { reviewer, clock, auth };
}

describe('authorization of the kubelet API', () => {
  it('refuses whoever shows nothing, without asking anybody', async () => {
    const { auth, reviewer } = setUp();
    expect(await auth.check({}, 'get', '/healthz')).toMatchObject({ allowed: false, status: 401 });
    expect(reviewer.asked).toEqual([]);
  });

  it('refuses an unknown token, and asks about it once', async () => {
    const { auth, reviewer } = setUp();
    for (let i = 0; i < 3; i++) {
      expect(await auth.check({ bearer: 'bad' }, 'get', '/healthz')).toMatchObject({ allowed: false, status: 401 });
    }
    expect(reviewer.asked).toEqual(['token']);
  });

  it('asks for nodes/proxy for container logs, on this node', async () => {
    const { auth, reviewer } = setUp();
    const path = '/containerLogs/default/web/main';
    expect(await auth.check({ bearer: 'good' }, 'get', path)).toMatchObject({ allowed: false, status: 403 });
    expect(reviewer.asked).toEqual(['token', 'scraper get proxy']);
    expect([...reviewer.nodes]).toEqual(['nodes/demo-zone-a']);
  });

  it.each([
    ['/healthz', ['healthz', 'proxy']],
    ['/pods', ['pods', 'proxy']],
    ['/stats/summary', ['stats']],
    ['/metrics/resource', ['metrics']],
    ['/logs/messages', ['log']],
    ['/metricsfoo', ['proxy']],
    ['/exec/ns/pod/c', ['proxy']],
  ])('asks for %s what the kubelet asks', async (path, subresources) => {
    const { auth, reviewer } = setUp();
    await auth.check({ bearer: 'good' }, 'get', path);
    expect(reviewer.asked.slice(1)).toEqual(subresources.map((subresource) => `scraper get ${subresource}`));
  });

  it('lets in on the fine-grained permission, or on nodes/proxy instead of it', async () => {
    const { auth, reviewer } = setUp();
    reviewer.allowed.add('scraper get healthz');
    expect(await auth.check({ bearer: 'good' }, 'get', '/healthz')).toMatchObject({ allowed: true });
    const other = setUp();
    other.reviewer.allowed.add('scraper get proxy');
    expect(await other.auth.check({ bearer: 'good' }, 'get', '/healthz')).toMatchObject({ allowed: true });
  });

  it('asks also for a certificate of system:masters', async () => {
    const { auth, reviewer } = setUp();
    const certified = { name: 'admin', groups: ['system:masters', 'system:authenticated'] };
    expect(await auth.check({ certified }, 'get', '/healthz')).toMatchObject({ allowed: false, status: 403 });
    expect(reviewer.asked).toContain('admin get healthz');
  });

  it('keeps a permission for five minutes and a refusal for thirty seconds', async () => {
    const { auth, reviewer, clock } = setUp();
    const certified = { name: 'apiserver', groups: [] };
    const check = () => auth.check({ certified }, 'get', '/run');
    await check();
    reviewer.allowed.add('apiserver get proxy');
    await clock.advance(29_000);
    expect(await check()).toMatchObject({ allowed: false });
    await clock.advance(2000);
    expect(await check()).toMatchObject({ allowed: true });
    reviewer.allowed.clear();
    await clock.advance(299_000);
    expect(await check()).toMatchObject({ allowed: true });
    await clock.advance(2000);
    expect(await check()).toMatchObject({ allowed: false });
    expect(reviewer.asked).toHaveLength(3);
  });

  it('forgets a revoked token after two minutes', async () => {
    const { auth, reviewer, clock } = setUp();
    reviewer.allowed.add('scraper get proxy');
    await auth.check({ bearer: 'good' }, 'get', '/run');
    reviewer.tokens.clear();
    await clock.advance(119_000);
    expect(await auth.check({ bearer: 'good' }, 'get', '/run')).toMatchObject({ allowed: true });
    await clock.advance(2000);
    expect(await auth.check({ bearer: 'good' }, 'get', '/run')).toMatchObject({ status: 401 });
  });

  it('lets nobody in while the API server does not answer, and does not remember that', async () => {
    const { auth, reviewer } = setUp();
    reviewer.allowed.add('scraper get proxy').add('apiserver get proxy');
    reviewer.down = true;
    expect(await auth.check({ bearer: 'good' }, 'get', '/run')).toMatchObject({ allowed: false, status: 503 });
    const certified = { name: 'apiserver', groups: [] };
    expect(await auth.check({ certified }, 'get', '/run')).toMatchObject({ allowed: false, status: 500 });
    reviewer.down = false;
    expect(await auth.check({ bearer: 'good' }, 'get', '/run')).toMatchObject({ allowed: true });
  });

  it('asks once for many requests at a time, and bounds how many questions are open', async () => {
    const { auth, reviewer } = setUp();
    reviewer.allowed.add('scraper get proxy');
    await Promise.all(Array.from({ length: 50 }, () => auth.check({ bearer: 'good' }, 'get', '/run')));
    expect(reviewer.asked).toEqual(['token', 'scraper get proxy']);
    const flood = await Promise.all(
      Array.from({ length: 200 }, (_, i) => auth.check({ bearer: `bad-${i}` }, 'get', '/run')),
    );
    expect(flood.every(({ allowed }) => !allowed)).toBe(true);
    expect(reviewer.asked.filter((question) => question === 'token').length).toBeLessThanOrEqual(33);
  });
});
