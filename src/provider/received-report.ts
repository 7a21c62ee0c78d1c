/** Looks over a zone report before the node's capacity is made of it. */
import { readQuantity } from '../quantity.ts';
import type { Resources, ZoneReport, ZoneState } from './contract.ts';

export const ZONE_STATES: readonly ZoneState[] = ['Up', 'NoNew', 'Down', 'Unknown'];

/** What can be believed of `value`; `odd` is told of the rest. A state that is none is `Unknown`. */
export function receivedReport(value: unknown, odd: (what: string) => void): ZoneReport {
  if (typeof value !== 'object' || value === null) {
    odd('a zone report that is no object');
    return { state: 'Unknown', evidence: 'the provider handed in no report' };
  }
  const report = value as Partial<Record<keyof ZoneReport, unknown>>;
  const state = ZONE_STATES.find((known) => known === report.state);
  if (state === undefined) odd(`a zone report with the state ${String(report.state)}`);
  const evidence = typeof report.evidence === 'string' ? report.evidence : '';
  const clean: { -readonly [K in keyof ZoneReport]: ZoneReport[K] } = {
    state: state ?? 'Unknown',
    evidence: state === undefined ? `the provider reported the state ${String(report.state)}. ${evidence}` : evidence,
  };
  for (const field of ['capacity', 'allocatable', 'largestPod'] as const) {
    const resources = receivedResources(report[field], field, odd);
    if (resources !== undefined) clean[field] = resources;
  }
  return clean;
}

function receivedResources(value: unknown, field: string, odd: (what: string) => void): Resources | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || value === null) {
    odd(`a zone report whose ${field} is no object`);
    return undefined;
  }
  const good: Record<string, string> = {};
  for (const [name, quantity] of Object.entries(value as Record<string, unknown>)) {
    // A negative capacity means nothing.
    if (typeof quantity === 'string' && (readQuantity(quantity)?.nanos ?? -1n) >= 0n) good[name] = quantity;
    else odd(`a zone report whose ${field}.${name} is ${JSON.stringify(quantity)}`);
  }
  return good;
}
