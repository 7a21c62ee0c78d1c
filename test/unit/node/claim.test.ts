import { describe, expect, test } from 'vitest';
import { EPOCH_ANNOTATION } from '../../../src/election/names.ts';
import { createTermClient } from '../../../src/fence/term-client.ts';
import { NODES } from '../../../src/kube/resources.ts';
import { silentLogger } from '../../../src/log.ts';
import { claimNode } from '../../../src/node/claim.ts';
import type { NodeIdentity } from '../../../src/node/node-object.ts';
import { settle } from '../../support/virtual-clock.ts';
import { startCluster } from '../local-cluster/cluster.ts';
import { testTerm } from '../pods/stage.ts';

const identity: NodeIdentity = {
  set: 'shop',
  zone: 'zone-a',
  region: 'north',
  nodeName: 'shop-zone-a',
  labels: {},
  taints: [],
  os: 'linux',
  arch: 'amd64',
  election: 'lease',
};

describe('the claim of a Node', () => {
  test('creates it, and a later term raises the epoch; an earlier one gets nowhere and is over', async () => {
    const { client, clock } = startCluster();
    const claim = (epoch: number) => {
      const term = testTerm(epoch);
      return {
        term,
        node: claimNode({
          identity,
          term,
          client,
          writes: createTermClient({ client, term }),
          clock,
          log: silentLogger,
        }),
      };
    };
    await claim(3).node;
    await claim(5).node;
    const stale = claim(4);
    await expect(stale.node).rejects.toMatchObject({ code: 'Fenced' });
    expect(stale.term.over).toBe(true);
    const node = await client.get(NODES, { name: identity.nodeName });
    expect(node.metadata?.annotations?.[EPOCH_ANNOTATION]).toBe('5');
  });

  test("somebody else's Node is left alone, and waiting for it does not hold up the end of the term", async () => {
    const { client, clock } = startCluster();
    const foreign = await client.create(NODES, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: identity.nodeName },
      spec: { providerID: 'kind://docker/kind/worker' },
    });
    const term = testTerm(1);
    const ended = claimNode({
      identity,
      term,
      client,
      writes: createTermClient({ client, term }),
      clock,
      log: silentLogger,
    }).catch((error: unknown) => error);
    await clock.advance(60_000);
    term.winding.abort();
    await settle();
    await expect(ended).resolves.toMatchObject({ code: 'Aborted' });
    const after = await client.get(NODES, { name: identity.nodeName });
    expect(after.metadata?.resourceVersion).toBe(foreign.metadata?.resourceVersion);
  });
});
