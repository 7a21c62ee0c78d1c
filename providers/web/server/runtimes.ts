/** The runtimes that a backend can have. */
import type { Clock } from '../../../src/clock.ts';
import type { Logger } from '../../../src/log.ts';
import type { Runtime } from './runtime.ts';
import { createSimulatedRuntime } from './simulated-runtime.ts';

export type RuntimeOptions = { readonly kind: 'simulated' };

export interface RuntimeContext {
  readonly zone: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly dataFolder: string;
}

export function createRuntime(options: RuntimeOptions, { zone, clock }: RuntimeContext): Runtime {
  switch (options.kind) {
    case 'simulated':
      return createSimulatedRuntime(zone, clock);
  }
}
