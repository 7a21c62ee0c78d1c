/** The runtimes that a backend can have. */
import type { Clock, Random } from '../../../src/clock.ts';
import type { Logger } from '../../../src/log.ts';
import { createProcessRuntime } from './process/runtime.ts';
import type { Runtime } from './runtime.ts';
import { createSimulatedRuntime } from './simulated-runtime.ts';

export type RuntimeOptions =
  | { readonly kind: 'simulated' }
  /** See `ProcessRuntimeOptions` for the two. */
  | { readonly kind: 'process'; readonly podAddress: string; readonly searchPath: string };

export interface RuntimeContext {
  readonly zone: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly dataFolder: string;
}

export function createRuntime(options: RuntimeOptions, context: RuntimeContext): Runtime {
  switch (options.kind) {
    case 'simulated':
      return createSimulatedRuntime(context.zone, context.clock);
    case 'process':
      return createProcessRuntime({ ...options, ...context });
  }
}
