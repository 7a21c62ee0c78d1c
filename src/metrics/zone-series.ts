/**
 * Begins a zone's series at 0. `rate()` and `increase()` do not see the step with which a series appears: without this
 * the first take-over, the first failed call and the first refused pod of a replica would be missing from every panel.
 */
import type { Metrics } from './metrics.ts';

const OPERATIONS = ['claim', 'create', 'update', 'delete', 'get', 'list', 'logs'];
/** How calls to a backend commonly fail. Others begin when they first happen, which keeps the number of series small. */
const FAILURES = ['Unavailable', 'Ambiguous', 'Fenced'];

export function beginZoneSeries(zone: string, { election, node, pods, provider, kubelet }: Metrics): void {
  election.takeover.zero({ zone });
  for (const phase of ['fence', 'freshness', 'list', 'resolve', 'publish'])
    election.takeoverPhase.zero({ zone, phase });
  for (const by of ['self', 'backend', 'api-server']) election.fenced.inc({ zone, by }, 0);
  for (const outcome of ['ok', 'error']) node.heartbeats.inc({ zone, outcome }, 0);
  pods.startDuration.zero({ zone });
  for (const outcome of ['created', 'adopted']) pods.created.inc({ zone, outcome }, 0);
  for (const counter of [pods.refused, pods.orphansDeleted, pods.statusWrites]) counter.inc({ zone }, 0);
  for (const resource of ['cpu', 'memory', 'pods']) pods.resourceSeconds.inc({ zone, resource }, 0);
  for (const operation of OPERATIONS) {
    const labels = { zone, operation_type: operation };
    provider.operations.inc(labels, 0);
    provider.duration.zero(labels);
    for (const code of FAILURES) provider.errors.inc({ ...labels, code }, 0);
  }
  kubelet.streams.set({ zone }, 0);
}
