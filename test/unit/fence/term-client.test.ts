import { describe, expect, test } from 'vitest';
import { EPOCH_ANNOTATION, WRITER_EPOCH_ANNOTATION } from '../../../src/election/names.ts';
import { createTermClient } from '../../../src/fence/term-client.ts';
import { ApiError, type CallOptions, type KubeClient } from '../../../src/kube/client.ts';
import { CONFIG_MAPS, NODES, PODS } from '../../../src/kube/resources.ts';
import { pod, startCluster } from '../local-cluster/cluster.ts';
import { testTerm } from '../pods/stage.ts';

const AT = { namespace: 'default', name: 'note' };

async function noted() {
  const { client, clock } = startCluster();
  const term = testTerm(7);
  let fenced = 0;
  const writes = createTermClient({ client, term, onFenced: () => void fenced++ });
  const note = await client.create(CONFIG_MAPS, { metadata: AT, data: { by: 'nobody' } });
  const stored = async () => (await client.get(CONFIG_MAPS, AT)).data;
  const other = () => client.patch(CONFIG_MAPS, AT, { type: 'merge', body: { data: { by: 'somebody else' } } });
  return { client, clock, term, writes, note, stored, other, fenced: () => fenced };
}

const PATCH = { type: 'merge', body: { data: { by: 'the leader' } } } as const;

describe('what a leader writes', () => {
  test('is refused when somebody wrote since it was decided: patch, replacement, deletion', async () => {
    const { writes, note, stored, other, fenced } = await noted();
    const fresh = await other();
    await expect(writes.patch(CONFIG_MAPS, note, PATCH)).rejects.toMatchObject({ code: 'Conflict' });
    await expect(writes.replace(CONFIG_MAPS, { ...note, data: {} })).rejects.toMatchObject({ code: 'Conflict' });
    await expect(writes.delete(CONFIG_MAPS, note)).rejects.toMatchObject({ code: 'Conflict' });
    expect(await stored()).toEqual({ by: 'somebody else' });
    const written = await writes.patch(CONFIG_MAPS, fresh, PATCH);
    expect(await stored()).toEqual({ by: 'the leader' });
    await writes.delete(CONFIG_MAPS, written);
    expect(fenced()).toBe(0);
  });

  test('never lands on another object of the same name', async () => {
    const { client, writes, note, stored } = await noted();
    await client.delete(CONFIG_MAPS, AT);
    const again = await client.create(CONFIG_MAPS, { metadata: AT, data: { by: 'the next one' } });
    // A UID that differs is enough: versions of two objects may be the same after a restore.
    const mixed = { ...again, metadata: { ...again.metadata, uid: note.metadata?.uid ?? '' } };
    await expect(writes.patch(CONFIG_MAPS, mixed, PATCH)).rejects.toMatchObject({ code: 'Conflict' });
    await expect(writes.delete(CONFIG_MAPS, mixed)).rejects.toMatchObject({ code: 'Conflict' });
    expect(await stored()).toEqual({ by: 'the next one' });
  });

  test('is not sent without the right to act, and that is counted', async () => {
    const { term, writes, note, stored, fenced } = await noted();
    term.over = true;
    await expect(writes.create(CONFIG_MAPS, { metadata: { ...AT, name: 'b' } })).rejects.toMatchObject({
      code: 'Fenced',
    });
    await expect(writes.replace(CONFIG_MAPS, note)).rejects.toMatchObject({ code: 'Fenced' });
    await expect(writes.patch(CONFIG_MAPS, note, PATCH)).rejects.toMatchObject({ code: 'Fenced' });
    await expect(writes.delete(CONFIG_MAPS, note)).rejects.toMatchObject({ code: 'Fenced' });
    expect(await stored()).toEqual({ by: 'nobody' });
    expect(fenced()).toBe(4);
  });

  test('is not sent when the right ran out while it waited for a connection', async () => {
    const { client, term, note, stored } = await noted();
    // As a leader that is stopped in its tracks with requests in line, and continued too late.
    const slow: KubeClient = {
      ...client,
      patch: (of, at, patch, options) => {
        term.over = true;
        return client.patch(of, at, patch, options);
      },
    };
    const writes = createTermClient({ client: slow, term });
    await expect(writes.patch(CONFIG_MAPS, note, PATCH)).rejects.toMatchObject({ code: 'Fenced' });
    expect(await stored()).toEqual({ by: 'nobody' });
  });

  test('is aborted with the term, and lasts no longer than the right to act', async () => {
    const { client, term, note } = await noted();
    let seen: CallOptions | undefined;
    const hanging = {
      ...client,
      patch: (_of: unknown, _at: unknown, _patch: unknown, options: CallOptions = {}) => {
        seen = options;
        return new Promise<never>((_, reject) => {
          options.signal?.addEventListener('abort', () => reject(new Error('aborted')));
        });
      },
    };
    const own = new AbortController();
    const under = createTermClient({ client: hanging, term }).patch(CONFIG_MAPS, note, PATCH, { signal: own.signal });
    const outcome = expect(under).rejects.toThrow('aborted');
    expect(seen?.timeoutMs).toBe(term.remainingMs());
    term.lose('expired', 'no renewal');
    await outcome;
  });

  test('of which the version is not known is a defect and not sent', async () => {
    const { writes, note } = await noted();
    const { resourceVersion: _, ...metadata } = note.metadata ?? {};
    await expect(writes.patch(CONFIG_MAPS, { ...note, metadata }, PATCH)).rejects.toMatchObject({ code: 'Internal' });
    await expect(writes.replace(CONFIG_MAPS, { ...note, metadata })).rejects.toMatchObject({ code: 'Internal' });
    await expect(writes.delete(CONFIG_MAPS, { ...note, metadata })).rejects.toMatchObject({ code: 'Internal' });
  });
});

describe('where a policy in the API server compares epochs', () => {
  const STATUS = { type: 'merge', body: { status: { message: 'said' } } } as const;

  /** A pod on a Node, and an API server that lets this leader write no status. */
  async function compared(epochs: { readonly claimed: number; readonly written: number }, own: number) {
    const { client } = startCluster();
    await client.create(NODES, {
      metadata: { name: 'node-a', annotations: { [EPOCH_ANNOTATION]: String(epochs.claimed) } },
    });
    const made = await client.create(PODS, pod('a'));
    const at = { namespace: 'default', name: 'a' };
    const body = { metadata: { annotations: { [WRITER_EPOCH_ANNOTATION]: String(epochs.written), other: 'kept' } } };
    const stored = await client.patch(PODS, at, { type: 'merge', body });
    const term = testTerm(own);
    const lost: (number | undefined)[] = [];
    const watched = { ...term, lose: (...[, , stands]: Parameters<typeof term.lose>) => void lost.push(stands) };
    const by: string[] = [];
    const options = { term: watched, policyNode: 'node-a', onFenced: (who: string) => void by.push(who) };
    const refusing: KubeClient = {
      ...client,
      patch: () => Promise.reject(new ApiError('Forbidden', 403, { message: 'denied', reason: 'Forbidden' })),
    };
    return {
      made,
      pod: stored,
      by,
      lost,
      writes: createTermClient({ ...options, client }),
      refused: createTermClient({ ...options, client: refusing }),
    };
  }

  test('a status carries the epoch beside what else it says; nothing else does', async () => {
    const { pod: stored, writes } = await compared({ claimed: 7, written: 6 }, 7);
    const riding = { ...STATUS, body: { ...STATUS.body, metadata: { annotations: { 'zonelet.dev/record': '{}' } } } };
    const written = await writes.patch(PODS, stored, riding, { subresource: 'status' });
    expect(written.metadata?.annotations).toEqual({
      [WRITER_EPOCH_ANNOTATION]: '7',
      'zonelet.dev/record': '{}',
      other: 'kept',
    });
    const labelled = await writes.patch(PODS, written, { type: 'merge', body: { metadata: { labels: { a: 'b' } } } });
    expect(labelled.metadata?.annotations).toEqual(written.metadata?.annotations);
  });

  test('without one nothing is carried', async () => {
    const { client } = startCluster();
    const made = await client.create(PODS, pod('a'));
    const writes = createTermClient({ client, term: testTerm(7) });
    const written = await writes.patch(PODS, made, STATUS, { subresource: 'status' });
    expect(written.metadata?.annotations).toBeUndefined();
  });

  test.each([
    ['the Node', { claimed: 9, written: 7 }, 9],
    ['the last writer of the pod, as when Node and Lease were lost', { claimed: 7, written: 8 }, 8],
  ])(
    'a refusal where %s stands higher ends the term, and the next one begins above that',
    async (_, epochs, stands) => {
      const { pod: stored, refused, by, lost } = await compared(epochs, 7);
      const write = refused.patch(PODS, stored, STATUS, { subresource: 'status' });
      await expect(write).rejects.toMatchObject({ code: 'Fenced', message: 'denied' });
      expect(lost).toEqual([stands]);
      expect(by).toEqual(['api-server']);
    },
  );

  test('a refusal for any other reason is what it is', async () => {
    const { pod: stored, refused, by, lost } = await compared({ claimed: 7, written: 7 }, 7);
    const write = refused.patch(PODS, stored, STATUS, { subresource: 'status' });
    await expect(write).rejects.toMatchObject({ code: 'Forbidden' });
    expect([lost, by]).toEqual([[], []]);
  });
});
