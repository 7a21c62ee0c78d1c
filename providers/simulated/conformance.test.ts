import type { Pod } from '../../src/kube/types.ts';
import { type PodWish, providerConformance } from '../../src/provider/conformance/suite.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import type { PodBehaviour } from './behaviour.ts';
import { createSimulatedBackend, createSimulatedProvider } from './provider.ts';

const WISH = 'simulated.example/wish';

providerConformance('simulated', {
  async start() {
    const clock = new VirtualClock();
    const backend = createSimulatedBackend({ zone: 'zone-a', clock, behave });
    return {
      zone: 'zone-a',
      clock,
      connect: () => createSimulatedProvider(backend, clock),
      pod: (wish) => ({
        metadata: { annotations: { [WISH]: JSON.stringify(wish) } },
        spec: {
          restartPolicy: wish.does === 'exit' ? 'Never' : 'Always',
          containers: [{ name: 'main', image: 'registry.example/suite:1' }],
        },
      }),
      advance: (ms) => clock.advance(ms),
      restart: async () => backend.restart(),
      loseNextReply: () => backend.setFaults({ loseReplies: 1 }),
      hang: (on) => backend.setFaults({ hang: new Set(on ? ['create', 'list'] : []) }),
      unreachable: (on) => backend.setFaults({ unreachable: on }),
      incomplete: (on) => backend.setFaults({ incompleteLists: on }),
      noNewPods: (on) => backend.setFaults({ zoneState: on ? 'NoNew' : 'Up' }),
      exit: (owner, ref, code) => backend.exit(owner, ref.uid, 'main', code),
      commands: {
        echo: (line) => ['echo', line],
        exit: (code) => ['exit', String(code)],
        cat: ['cat'],
        sleep: ['sleep', '7200'],
      },
      echoPort: 7,
      async [Symbol.asyncDispose]() {},
    };
  },
});

function behave(pod: Pod): PodBehaviour {
  const wish = JSON.parse(pod.metadata?.annotations?.[WISH] ?? '{"does":"run"}') as PodWish;
  switch (wish.does) {
    case 'run':
      return {};
    case 'ignore-stop':
      return { stopDelayMs: 24 * 3_600_000 };
    case 'exit':
      return { exit: { afterMs: 200, code: wish.code } };
    case 'print':
      return { prints: wish.lines };
    case 'print-and-crash':
      return { prints: wish.lines, exit: { afterMs: 200, code: 1 } };
  }
}
