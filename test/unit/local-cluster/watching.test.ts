import { describe, expect, it } from 'vitest';
import type { WatchEvent } from '../../../src/kube/client.ts';
import { CONFIG_MAPS, PODS } from '../../../src/kube/resources.ts';
import type { ConfigMap, Pod } from '../../../src/kube/types.ts';
import { settle } from '../../support/virtual-clock.ts';
import { type Cluster, pod, startCluster } from './cluster.ts';

/** Collects what a watch is told. */
function follow(
  { client }: Cluster,
  options: { fieldSelector?: string; labelSelector?: string; timeoutSeconds?: number; resourceVersion: string },
) {
  const events: string[] = [];
  const ended = (async (): Promise<unknown> => {
    try {
      for await (const event of client.watch(PODS, { namespace: 'default', ...options })) events.push(told(event));
      return 'ended';
    } catch (error) {
      return error;
    }
  })();
  return { events, ended };
}

function told(event: WatchEvent<Pod>): string {
  return event.type === 'BOOKMARK'
    ? `BOOKMARK ${event.resourceVersion}`
    : `${event.type} ${event.object.metadata?.name}`;
}

describe('watches', () => {
  it('tell what comes into a selection and what leaves it', async () => {
    const cluster = startCluster();
    const { client } = cluster;
    const { resourceVersion } = await client.list(PODS);
    const { events } = follow(cluster, { resourceVersion, fieldSelector: 'status.phase=Running' });
    const at = { name: 'a', namespace: 'default' };
    await client.create(PODS, pod('a'));
    const phase = (value: string) =>
      client.patch(PODS, at, { type: 'merge', body: { status: { phase: value } } }, { subresource: 'status' });
    await phase('Running');
    await client.patch(PODS, at, { type: 'merge', body: { metadata: { labels: { x: 'y' } } } });
    await phase('Succeeded');
    await phase('Failed');
    await settle();
    expect(events).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a']);
  });

  it('begin in the past and miss nothing', async () => {
    const cluster = startCluster();
    const { client } = cluster;
    const { resourceVersion } = await client.list(PODS);
    for (const name of ['a', 'b', 'c']) await client.create(PODS, pod(name));
    await client.delete(PODS, { name: 'b', namespace: 'default' });
    const { events } = follow(cluster, { resourceVersion });
    await settle();
    // A pod without a node ends at once: first its mark, then its end.
    expect(events).toEqual(['ADDED a', 'ADDED b', 'ADDED c', 'MODIFIED b', 'DELETED b']);
  });

  it('say that the past is forgotten, by age and by number', async () => {
    const cluster = startCluster({ history: { historyLimit: 5, historyMs: 60_000 } });
    const { client, clock } = cluster;
    const { resourceVersion } = await client.list(PODS);
    for (let i = 0; i < 10; i++) await client.create(PODS, pod(`a${i}`));
    expect(await follow(cluster, { resourceVersion }).ended).toMatchObject({ code: 'Expired' });
    const later = (await client.list(PODS)).resourceVersion;
    await client.create(PODS, pod('b'));
    await clock.advance(61_000);
    expect(await follow(cluster, { resourceVersion: later }).ended).toMatchObject({ code: 'Expired' });
  });

  it('send bookmarks and end in their time', async () => {
    const cluster = startCluster();
    const { client, clock } = cluster;
    const { resourceVersion } = await client.list(PODS);
    const { events, ended } = follow(cluster, { resourceVersion, timeoutSeconds: 90 });
    const map: ConfigMap = { metadata: { name: 'm', namespace: 'default' } };
    const { metadata } = await client.create(CONFIG_MAPS, map);
    await clock.advance(61_000);
    expect(events).toEqual([`BOOKMARK ${metadata?.resourceVersion}`]);
    await clock.advance(30_000);
    expect(await ended).toBe('ended');
    expect(events).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });
});

describe('lists', () => {
  it('come in pages of one moment', async () => {
    const { client } = startCluster();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await client.create(PODS, pod(name));
    const names = async (
      limit: number,
      position?: string,
    ): Promise<{ names: string[]; next: string | undefined; at: string }> => {
      const page = await client.list(PODS, { limit, ...(position === undefined ? {} : { continue: position }) });
      return {
        names: page.items.map(({ metadata }) => metadata?.name ?? ''),
        next: page.continue,
        at: page.resourceVersion,
      };
    };
    const first = await names(2);
    await client.delete(PODS, { name: 'c', namespace: 'default' });
    await client.create(PODS, pod('bb'));
    const second = await names(2, first.next);
    const third = await names(2, second.next);
    expect([first.names, second.names, third.names]).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(new Set([first.at, second.at, third.at]).size).toBe(1);
    expect((await client.list(PODS)).items.map(({ metadata }) => metadata?.name)).toEqual(['a', 'b', 'bb', 'd', 'e']);
  });

  it('refuse a position that is too old, and offer to go on without consistency', async () => {
    const { client, clock, send } = startCluster({ history: { historyMs: 60_000 } });
    for (const name of ['a', 'b', 'c']) await client.create(PODS, pod(name));
    const { continue: position } = await client.list(PODS, { limit: 1 });
    await client.create(PODS, pod('d'));
    await clock.advance(61_000);
    await expect(client.list(PODS, { limit: 1, continue: position ?? '' })).rejects.toMatchObject({ code: 'Expired' });
    const refused = await send('GET', `/api/v1/pods?limit=1&continue=${position}`);
    const again = (refused.json.metadata as { continue: string }).continue;
    const rest = await client.list(PODS, { continue: again });
    expect(rest.items.map(({ metadata }) => metadata?.name)).toEqual(['b', 'c', 'd']);
  });

  it('select by labels and by the fields that a kind has', async () => {
    const { client } = startCluster();
    for (const name of ['a', 'b', 'c']) await client.create(PODS, pod(name, name === 'c' ? { nodeName: 'n' } : {}));
    const names = async (selection: object): Promise<unknown> =>
      (await client.list(PODS, selection)).items.map(({ metadata }) => metadata?.name);
    expect(await names({ labelSelector: 'app in (a, b),app!=b' })).toEqual(['a']);
    expect(await names({ labelSelector: '!app' })).toEqual([]);
    expect(await names({ fieldSelector: 'spec.nodeName=n' })).toEqual(['c']);
    expect(await names({ fieldSelector: 'metadata.name!=a,spec.nodeName=' })).toEqual(['b']);
    await expect(names({ fieldSelector: 'spec.colour=red' })).rejects.toMatchObject({ status: 400 });
  });
});
