import { describe, expect, test } from 'vitest';
import { ELECTION_ANNOTATION, EPOCH_ANNOTATION } from '../../../src/election/names.ts';
import { createTermClient } from '../../../src/fence/term-client.ts';
import { NODES } from '../../../src/kube/resources.ts';
import { silentLogger } from '../../../src/log.ts';
import { type ClaimOptions, claimNode } from '../../../src/node/claim.ts';
import { settle } from '../../support/virtual-clock.ts';
import { startCluster } from '../local-cluster/cluster.ts';
import { testTerm } from '../pods/stage.ts';
import { identity } from './identity.ts';

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

  describe('that says another election', () => {
    async function ofRedis() {
      const { client, clock } = startCluster();
      const claim = (by: string, epoch: number, mayTakeOver?: ClaimOptions['mayTakeOver']) => {
        const term = testTerm(epoch);
        const node = claimNode({
          identity: { ...identity, election: by },
          term,
          client,
          writes: createTermClient({ client, term }),
          clock,
          log: silentLogger,
          ...(mayTakeOver === undefined ? {} : { mayTakeOver }),
        });
        return { term, node };
      };
      await claim('redis', 3).node;
      const stated = async () => {
        const { metadata } = await client.get(NODES, { name: identity.nodeName });
        return [metadata?.annotations?.[ELECTION_ANNOTATION], metadata?.annotations?.[EPOCH_ANNOTATION]];
      };
      return { clock, claim, stated };
    }

    test('is left as it is: a term by Lease is over before it has written anything', async () => {
      const { claim, stated } = await ofRedis();
      for (const mayTakeOver of [undefined, async () => false]) {
        const late = claim('lease', 9, mayTakeOver);
        await expect(late.node).rejects.toMatchObject({ code: 'Fenced' });
        expect(late.term.over).toBe(true);
      }
      expect(await stated()).toEqual(['redis', '3']);
    });

    test('changes over once its lock is out, judged by what the Node really says', async () => {
      const { claim, stated } = await ofRedis();
      const asked: unknown[] = [];
      await claim('lease', 4, async (of) => asked.push(of) > 0).node;
      expect(asked).toEqual(['redis']);
      expect(await stated()).toEqual(['lease', '4']);
    });

    test('is claimed by its own kind while the other lock is looked at: that one is noticed', async () => {
      const { clock, claim, stated } = await ofRedis();
      let free = true;
      const late = claim('lease', 9, async () => {
        if (!free) return false;
        free = false;
        await claim('redis', 7).node;
        return true;
      });
      const outcome = expect(late.node).rejects.toMatchObject({ code: 'Fenced' });
      await clock.advance(2_000);
      await outcome;
      expect(late.term.over).toBe(true);
      expect(await stated()).toEqual(['redis', '7']);
    });
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
