/**
 * One zone in one replica: warm standby, then leader for a term (`lead.ts`), then standby again, until the process ends.
 *
 * Every replica keeps the zone's pods and the backend's health in memory all the time; what a leader adds is the right
 * to write.
 */
import { hasCode, messageOf } from '../errors.ts';
import { aborted } from '../lifecycle.ts';
import { type CaretakerOptions, runCaretaker } from '../node/caretaker.ts';
import { lead } from './lead.ts';
import { wasRemoved } from './removal.ts';
import type { ZoneOptions } from './zone-options.ts';
import { followZoneReports, type ZoneReports } from './zone-reports.ts';

/** Runs until the signal aborts; then winds the term down, if there is one, and gives it back. Never throws. */
export async function runZone(options: ZoneOptions, signal: AbortSignal): Promise<void> {
  const { campaign, provider, log } = options;
  const reports = followZoneReports(provider);
  const life = new AbortController();
  const following = Promise.all([
    options.health.run({ provider, reports }, life.signal),
    reports.run(life.signal),
    runCaretaker(caretaking(options, reports), life.signal),
    options.state.run(life.signal),
  ]);
  const { nodeName } = options.identity;
  // The leader that takes it away waits until all others have withdrawn.
  const unsubscribe = options.nodes.subscribe({
    deleted(node) {
      const others = campaign.leaderlessMs() !== undefined;
      if (others && node.metadata?.name === nodeName && wasRemoved(node)) campaign.withdraw();
    },
  });
  try {
    for await (const term of campaign.terms(signal)) {
      try {
        await lead(options, reports, term);
      } catch (error) {
        if (!hasCode(error, 'Fenced', 'Aborted') && !term.signal.aborted) {
          log.error({ epoch: term.epoch, error: messageOf(error) }, 'the term ended by a fault');
        }
      }
    }
    // The zone was taken away; the process goes on for the others.
    await aborted(signal);
  } finally {
    unsubscribe();
    life.abort();
    await following;
  }
}

function caretaking(options: ZoneOptions, reports: ZoneReports): CaretakerOptions {
  const { identity, campaign, candidates, health, metrics } = options;
  const { zone, nodeName } = identity;
  return {
    ...options,
    zone,
    nodeName,
    replica: candidates.self().name,
    metrics: metrics.node,
    leaderlessMs: campaign.leaderlessMs,
    rank: () => candidates.rank(zone, undefined),
    backendDown: () => health.verdict.state === 'Down' || reports.latest?.state === 'Down',
  };
}
