/** The options of `provider: { kind: simulated }` in the configuration. */
import type { ProviderModule, Resources } from '../../src/provider/contract.ts';
import { isRecord } from '../../src/provider/received-values.ts';
import { QUANTITY_SYNTAX, readQuantity } from '../../src/quantity.ts';
import { cidrProblem } from './address-pool.ts';

export interface SimulatedOptions {
  /** From a pod's creation until its containers run, in milliseconds. @defaultValue 0 */
  readonly startDelayMs: number;
  /** What the zone reports as its size. @defaultValue 10000 cores, 40Ti of memory, 100000 pods */
  readonly capacity?: Resources;
  /** Where pods get their addresses from. @defaultValue 198.18.0.0/15 */
  readonly podCIDR?: string;
}

const KNOWN = ['kind', 'startDelayMs', 'capacity', 'podCIDR'];

export const parseOptions: ProviderModule<SimulatedOptions>['parseOptions'] = (raw) => {
  const problems: { path: string[]; message: string }[] = [];
  const given = isRecord(raw) ? raw : {};
  if (!isRecord(raw)) problems.push({ path: [], message: 'must be an object' });
  for (const key of Object.keys(given)) {
    if (!KNOWN.includes(key))
      problems.push({
        path: [key],
        message: `unknown option (known: ${KNOWN.join(', ')})`,
      });
  }
  const { startDelayMs = 0, capacity, podCIDR } = given;
  if (typeof startDelayMs !== 'number' || !Number.isFinite(startDelayMs) || startDelayMs < 0) {
    problems.push({
      path: ['startDelayMs'],
      message: 'must be a number of milliseconds, 0 or more',
    });
  }
  if (capacity !== undefined && !isRecord(capacity)) {
    problems.push({
      path: ['capacity'],
      message: 'must map resources to quantities',
    });
  }
  for (const [resource, quantity] of Object.entries(isRecord(capacity) ? capacity : {})) {
    if (typeof quantity !== 'string' || (readQuantity(quantity)?.nanos ?? -1n) < 0n) {
      problems.push({
        path: ['capacity', resource],
        message: `must be ${QUANTITY_SYNTAX}, in quotes, not negative`,
      });
    }
  }
  const cidr = typeof podCIDR === 'string' ? cidrProblem(podCIDR) : 'must be a string';
  if (podCIDR !== undefined && cidr !== undefined) problems.push({ path: ['podCIDR'], message: cidr });
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    options: {
      startDelayMs: Number(startDelayMs),
      ...(capacity === undefined ? {} : { capacity: capacity as Resources }),
      ...(typeof podCIDR === 'string' ? { podCIDR } : {}),
    },
  };
};
