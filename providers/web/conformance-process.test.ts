import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { OWNER } from '../../src/provider/conformance/stage.ts';
import { type PodWish, providerConformance } from '../../src/provider/conformance/suite.ts';
import type { Operation, Provider, ResolvedPod } from '../../src/provider/contract.ts';
import { startWebConformance } from '../../test/support/web-conformance.ts';
import { podKey } from './server/pod-record.ts';

/**
 * Waits at a pipe, without a further process, for the code to end with. One that is started again may find the writer of
 * the code that ended the one before still there, and nothing to read. Once its folder is gone there is nobody left to wait for.
 */
const RUN =
  '[ -p end ] || mkfifo end; code=; while [ -z "$code" ]; do read code <end || [ -p end ] || exit 1; done; exit "$code"';
const PRINT = String.raw`printf '%s\n' "$@"`;

function command(wish: PodWish): string[] {
  switch (wish.does) {
    case 'run':
      return ['sh', '-c', RUN];
    case 'ignore-stop':
      return ['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 0.2; done'];
    case 'exit':
      return ['sh', '-c', `exit ${wish.code}`];
    case 'print':
      return ['sh', '-c', `${PRINT}; ${RUN}`, 'sh', ...wish.lines];
    case 'print-and-crash':
      return ['sh', '-c', `${PRINT}; exit 1`, 'sh', ...wish.lines];
  }
}

providerConformance('web, on processes', {
  start: () =>
    startWebConformance({
      runtime: { kind: 'process', podAddress: '127.0.0.1', searchPath: env.PATH ?? '/usr/bin:/bin' },
      pod: (wish) => ({
        metadata: { annotations: { 'suite/wish': wish.does } },
        spec: {
          restartPolicy: wish.does === 'exit' ? 'Never' : 'Always',
          containers: [{ name: 'main', image: 'registry.example/suite:1', command: command(wish) }],
        },
      }),
      shell: (script) => ({ image: 'registry.example/suite:1', command: ['sh', '-c', script] }),
      async exit(folder, ref, code) {
        const pipe = join(folder, 'pods', podKey(OWNER, ref.uid), 'main', 'work', 'end');
        await eventually(() =>
          access(pipe).then(
            () => true,
            () => false,
          ),
        );
        await writeFile(pipe, `${code}\n`);
      },
      commands: {
        echo: (line) => ['printf', '%s\\n', line],
        exit: (code) => ['sh', '-c', `exit ${code}`],
        cat: ['cat'],
        sleep: ['sleep', '7200'],
      },
      wrap: untilItIgnores,
    }),
});

/** A process is running before its shell has come to the trap: a pod that is to ignore its stop is given the time. */
function untilItIgnores(provider: Provider): Provider {
  return Object.assign(Object.create(provider) as Provider, {
    async create(pod: ResolvedPod, operation: Operation) {
      const result = await provider.create(pod, operation);
      if (pod.pod.metadata?.annotations?.['suite/wish'] !== 'ignore-stop') return result;
      const options = { follow: false, previous: false, timestamps: false };
      await eventually(async () => {
        let text = '';
        const log = await provider.logs?.(operation.owner, pod.ref, 'main', options, operation.signal);
        for await (const chunk of log ?? []) text += Buffer.from(chunk).toString();
        return text === 'ready\n';
      });
      return result;
    },
  });
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (await check()) return;
    await sleep(10);
  }
  throw new Error('it did not come to pass');
}
