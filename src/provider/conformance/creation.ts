/** Create-or-adopt and update. */
import { describe, expect, it } from 'vitest';
import type { ConformanceHarness } from './harness.ts';
import { failure, isRunning, OTHER_OWNER, OWNER, onStage } from './stage.ts';

export function creation(harness: ConformanceHarness): void {
  describe('create and update', () => {
    it(
      'names owner, zone, pod, epoch and hash in what it made',
      onStage(harness, async (stage) => {
        await stage.claim({ epoch: 3 });
        const pod = stage.pod();
        const { outcome, pod: made } = await stage.provider.create(pod, stage.operation({ epoch: 3 }));
        expect(outcome).toBe('created');
        expect(made).toMatchObject({
          ref: pod.ref,
          owner: OWNER,
          zone: stage.backend.zone,
          epoch: 3,
          hash: 'hash-1',
        });
        expect(made.handle).not.toBe('');
        expect(made.deleting).toBe(false);
      }),
    );

    it(
      'runs the pod',
      onStage(harness, async (stage) => {
        const pod = await stage.running();
        const { observation } = (await stage.get(pod.ref)) ?? {};
        expect(observation?.reachable).toBe(true);
        expect(observation?.containers.map(({ name }) => name)).toEqual(['main']);
        expect(observation?.containers[0]?.restartCount).toBe(0);
      }),
    );

    it(
      'adopts what is there, as it is, also with another hash',
      onStage(harness, async (stage) => {
        const pod = await stage.running();
        const before = await stage.get(pod.ref);
        const again = await stage.provider.create({ ...pod, hash: 'hash-2' }, stage.operation());
        expect(again.outcome).toBe('adopted');
        expect(again.pod.hash).toBe('hash-1');
        expect(again.pod.handle).toBe(before?.handle);
        expect(again.pod.observation.containers).toEqual(before?.observation.containers);
        expect(await stage.uids()).toEqual([pod.ref.uid]);
      }),
    );

    it(
      'makes one pod of concurrent creates of one UID',
      onStage(harness, async (stage) => {
        const pod = stage.pod();
        const other = stage.connect();
        const results = await Promise.all(
          [stage.provider, other, stage.provider, other, stage.provider].map((provider) =>
            provider.create(pod, stage.operation()),
          ),
        );
        expect(results.filter(({ outcome }) => outcome === 'created')).toHaveLength(1);
        expect(new Set(results.map(({ pod: { handle } }) => handle)).size).toBe(1);
        expect(await stage.uids()).toEqual([pod.ref.uid]);
      }),
    );

    it(
      'lets a new leader adopt without a restart',
      onStage(harness, async (stage) => {
        await stage.claim({ epoch: 1 });
        const pod = await stage.running();
        const before = await stage.get(pod.ref);
        const successor = stage.connect();
        await stage.claim({ epoch: 2, holder: 'replica-1' }, successor);
        const { outcome, pod: adopted } = await successor.create(
          pod,
          stage.operation({ epoch: 2, holder: 'replica-1' }),
        );
        expect(outcome).toBe('adopted');
        expect(adopted.observation.containers).toEqual(before?.observation.containers);
      }),
    );

    it(
      'tells two UIDs of one name apart',
      onStage(harness, async (stage) => {
        const first = await stage.running();
        const second = stage.pod();
        await stage.create({
          ...second,
          ref: { ...second.ref, name: first.ref.name },
        });
        expect(await stage.uids()).toEqual([first.ref.uid, second.ref.uid].sort());
        await stage.delete(second.ref, 0);
        expect(isRunning(await stage.get(first.ref))).toBe(true);
      }),
    );

    it(
      'keeps a UID of another owner apart',
      onStage(harness, async (stage) => {
        const pod = await stage.running();
        expect(await stage.provider.get(OTHER_OWNER, pod.ref, stage.reading)).toBeUndefined();
        expect(
          await stage.provider.delete(pod.ref, { gracePeriodSeconds: 0 }, stage.operation({ owner: OTHER_OWNER })),
        ).toMatchObject({ state: 'gone' });
        expect(isRunning(await stage.get(pod.ref))).toBe(true);
      }),
    );

    it(
      'applies an update and its hash',
      onStage(harness, async (stage) => {
        const pod = await stage.running();
        const updated = await stage.provider.update({ ...pod, hash: 'hash-2' }, stage.operation());
        expect(updated.hash).toBe('hash-2');
        expect((await stage.get(pod.ref))?.hash).toBe('hash-2');
        expect(isRunning(updated), 'nothing that would need a restart was changed').toBe(true);
      }),
    );

    it(
      'applies a new image in place',
      onStage(harness, async (stage) => {
        if (!stage.provider.capabilities.update.includes('containers[*].image'))
          return stage.skip('it says that images cannot be changed in place');
        const pod = await stage.running();
        const changed = structuredClone(pod.pod);
        for (const container of changed.spec?.containers ?? []) container.image = 'registry.example/suite:2';
        await stage.provider.update({ ...pod, pod: changed, hash: 'hash-2' }, stage.operation());
        await stage.eventually('the container runs with the new image', async () => {
          const now = await stage.get(pod.ref);
          return isRunning(now) && now?.observation.containers[0]?.image === 'registry.example/suite:2';
        });
      }),
    );

    it(
      'answers NotFound to an update of what is not there',
      onStage(harness, async (stage) => {
        expect(await failure(stage.provider.update(stage.pod(), stage.operation()))).toBe('NotFound');
      }),
    );
  });
}
