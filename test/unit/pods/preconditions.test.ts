import { describe, expect, test } from 'vitest';
import { settle } from '../../support/virtual-clock.ts';
import { conditionOf, OWNER, stage, testPod } from './stage.ts';

/** Somebody else's condition, written without asking anybody. */
function note(api: ReturnType<typeof stage>['api'], name: string): void {
  const pod = api.pod(name);
  const conditions = [...(pod?.status?.conditions ?? []), { type: 'example.com/seen', status: 'True' }];
  api.put({ ...testPod(name), ...pod, status: { ...pod?.status, conditions } });
}

const reads = (api: ReturnType<typeof stage>['api']) => api.requests.filter(({ verb }) => verb === 'get');

describe('a pod that somebody else changed since its status was computed', () => {
  test('is read once and gets its status on top of that: nothing of theirs is lost', async () => {
    const { api, backend, lead } = stage();
    const leader = await lead();
    api.put(testPod('a', { restartPolicy: 'Never' }));
    await settle();
    api.holdWatch = true;
    note(api, 'a');
    backend.exit(OWNER, 'uid-a', 'app', 0);
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Succeeded');
    expect(conditionOf(api.pod('a'), 'example.com/seen')).toMatchObject({ status: 'True' });
    expect(reads(api)).toHaveLength(1);
    api.releaseWatch();
    await leader.kill();
  });

  test('costs no read when the cache has heard of it by then', async () => {
    const { api, backend, lead } = stage();
    const leader = await lead();
    api.put(testPod('a', { restartPolicy: 'Never' }));
    await settle();
    api.holdWatch = true;
    note(api, 'a');
    // The watch delivers between the patch and its refusal.
    api.onRequest = () => api.catchUp();
    backend.exit(OWNER, 'uid-a', 'app', 0);
    await settle();
    expect(api.pod('a')?.status?.phase).toBe('Succeeded');
    expect(conditionOf(api.pod('a'), 'example.com/seen')).toMatchObject({ status: 'True' });
    expect(reads(api)).toHaveLength(0);
    api.releaseWatch();
    await leader.kill();
  });

  test('that a successor has ended meanwhile keeps what the successor wrote', async () => {
    const { api, backend, lead } = stage();
    const leader = await lead();
    api.put(testPod('a', { restartPolicy: 'Never' }));
    await settle();
    api.holdWatch = true;
    const ended = { phase: 'Failed', reason: 'NotFound', message: 'the successor said so' };
    api.put({ ...testPod('a'), ...api.pod('a'), status: { ...api.pod('a')?.status, ...ended } });
    backend.exit(OWNER, 'uid-a', 'app', 0);
    await settle();
    expect(api.pod('a')?.status).toMatchObject(ended);
    api.releaseWatch();
    await leader.kill();
  });

  test('and that is to leave the API leaves it all the same, at the version that was looked at', async () => {
    const { api, lead, clock } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    api.deletePod('a', 1);
    api.onRequest = ({ verb }) => {
      if (verb !== 'delete') return;
      api.onRequest = undefined;
      api.holdWatch = true;
      note(api, 'a');
    };
    await clock.advance(5_000);
    expect(api.pod('a')).toBeUndefined();
    expect(api.writes('a').filter(({ verb }) => verb === 'delete')).toHaveLength(2);
    expect(api.writes('a').at(-1)?.body).toMatchObject({ uid: 'uid-a', resourceVersion: expect.any(String) });
    expect(reads(api)).toHaveLength(1);
    api.releaseWatch();
    await leader.kill();
  });

  test('of which only the name is left stays as it is: it is another pod', async () => {
    const { api, lead, clock, running } = stage();
    const leader = await lead();
    api.put(testPod('a'));
    await settle();
    api.deletePod('a', 1);
    api.onRequest = ({ verb }) => {
      if (verb !== 'delete') return;
      api.onRequest = undefined;
      api.holdWatch = true;
      api.put(testPod('a', {}, 'uid-again'));
    };
    await clock.advance(5_000);
    expect(api.pod('a')?.metadata?.uid).toBe('uid-again');
    api.releaseWatch();
    await clock.advance(5_000);
    expect(api.pod('a')?.status?.phase).toBe('Running');
    expect(running('uid-a')).toBeUndefined();
    await leader.kill();
  });
});
