/**
 * What this backend offers, learned from itself. Until then it is taken to offer no more than the protocol demands of
 * every one. A leader learns it before its first mutation goes out, and so before it judges a pod; and again whenever the
 * stream of reports begins anew, since then another backend may be behind the address.
 */
import { hasCode, ZoneletError } from '../../src/errors.ts';
import type { Capabilities } from '../../src/provider/contract.ts';
import type { Client } from './client.ts';
import { BASE_CAPABILITIES } from './support.ts';

export interface Learned {
  readonly capabilities: Capabilities;
  /** True once the backend has told. */
  readonly known: boolean;
  /** Asks the backend. Throws what a read throws: nothing was sent that changes anything. */
  learn(options: { readonly signal: AbortSignal; readonly timeoutMs: number }): Promise<void>;
}

const FLAGS = [
  'logs',
  'exec',
  'attach',
  'portForward',
  'stats',
  'initContainers',
  'probes',
  'lifecycleHooks',
  'serviceAccountTokens',
  'podIPsInEnvironment',
] as const satisfies readonly (keyof Capabilities)[];

export function createLearned(client: Client): Learned {
  let capabilities: Capabilities = BASE_CAPABILITIES;
  let known = false;

  return {
    get capabilities() {
      return capabilities;
    },
    get known() {
      return known;
    },
    async learn(options) {
      try {
        const answer = await client.call<unknown>({
          ...options,
          method: 'GET',
          path: '/v2/capabilities',
          headers: {},
          effect: 'read',
        });
        capabilities = read(answer);
      } catch (error) {
        // It has no such page: then it offers what the protocol demands.
        if (!hasCode(error, 'Unsupported', 'NotFound')) throw error;
        capabilities = BASE_CAPABILITIES;
      }
      known = true;
    },
  };
}

function read(answer: unknown): Capabilities {
  const { protocol, capabilities } = record(answer);
  if (protocol !== 2) {
    throw new ZoneletError('Unavailable', `the backend speaks protocol ${JSON.stringify(protocol)}, not 2`);
  }
  const told = record(capabilities);
  const flags = Object.fromEntries(FLAGS.map((name) => [name, flagOf(told[name], BASE_CAPABILITIES[name] === true)]));
  return {
    ...BASE_CAPABILITIES,
    ...flags,
    restarts: told.restarts === 'none' ? 'none' : BASE_CAPABILITIES.restarts,
    volumes: textsOf(told.volumes) ?? BASE_CAPABILITIES.volumes,
    update: textsOf(told.update) ?? BASE_CAPABILITIES.update,
  };
}

function flagOf(value: unknown, otherwise: boolean): boolean {
  return typeof value === 'boolean' ? value : otherwise;
}

function textsOf(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : undefined;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
