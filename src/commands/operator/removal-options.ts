/** The options that `remove-zone` and `uninstall` share, and what they mean together. */
import { systemRandom } from '../../clock.ts';
import type { Parsed } from '../command.ts';
import { UsageError } from '../usage-error.ts';
import type { SetAccess } from './set-access.ts';
import type { RemovalOptions } from './zone-removal.ts';

export const removalOptions = {
  config: {
    type: 'string',
    short: 'c',
    value: 'FILE',
    required: true,
    description: 'The configuration file (YAML) of the set.',
  },
  drain: {
    type: 'boolean',
    description:
      'Move pods away first, by eviction: PodDisruptionBudgets are respected. Without it, pods stop the command.',
  },
  force: {
    type: 'boolean',
    description: 'Delete pods, also those that nothing makes again, without regard to PodDisruptionBudgets.',
  },
  'abandon-backend': {
    type: 'boolean',
    description:
      'Only with --force, for a backend that is gone for good: pods are taken out of the API although nobody could stop them, and what is on the backend stays there.',
  },
  'dry-run': { type: 'boolean', description: 'Say what would be done, and do nothing.' },
  timeout: {
    type: 'integer',
    value: 'SECONDS',
    default: 300,
    min: 1,
    max: 86_400,
    description: 'How long to wait for pods to go, and then for the leader.',
  },
} as const;

export function readRemovalOptions(
  { options }: Parsed<typeof removalOptions>,
  { client, config, namespace, clock, by }: SetAccess,
  say: (line: string) => void,
  signal: AbortSignal,
): RemovalOptions {
  if (options['abandon-backend'] && !options.force) {
    throw new UsageError('option --abandon-backend needs --force: pods that run on that backend would go on unseen');
  }
  return {
    client,
    set: config.set,
    namespace,
    drain: options.drain,
    force: options.force,
    abandonBackend: options['abandon-backend'],
    timeoutMs: options.timeout * 1000,
    by,
    clock,
    random: systemRandom,
    say,
    signal,
  };
}
