import { providerConformance } from '../../src/provider/conformance/suite.ts';
import { startWebConformance } from '../../test/support/web-conformance.ts';
import { EXIT_AFTER, EXIT_CODE } from './server/simulated-runtime.ts';

providerConformance('web, on a simulated backend', {
  start: () =>
    startWebConformance({
      runtime: { kind: 'simulated' },
      pod(wish) {
        // A simulated pod has no output and always stops at once.
        if (wish.does !== 'run' && wish.does !== 'exit') return undefined;
        return {
          metadata: {
            annotations: wish.does === 'exit' ? { [EXIT_AFTER]: '0.2', [EXIT_CODE]: String(wish.code) } : {},
          },
          spec: {
            restartPolicy: wish.does === 'exit' ? 'Never' : 'Always',
            containers: [{ name: 'main', image: 'registry.example/suite:1' }],
          },
        };
      },
    }),
});
