/** How long each phase of a take-over took: as a metric, and at its end in the log and as an Event on the Node. */
import type { Clock } from '../clock.ts';
import type { Term } from '../election/term.ts';
import type { Logger } from '../log.ts';
import type { ElectionMetrics } from '../metrics/election.ts';
import type { TakeOverPhase } from '../pods/context.ts';

/** `fence`: the Node and the backend take this epoch; nothing of a predecessor is accepted any more. */
export type Phase = 'fence' | TakeOverPhase;

export interface PhasesOptions {
  readonly zone: string;
  readonly term: Pick<Term, 'since'>;
  readonly clock: Clock;
  readonly metrics: Pick<ElectionMetrics, 'takeoverPhase'>;
  readonly log: Logger;
  /** Told once, in one sentence, when the last phase has ended. */
  readonly say: (what: string) => void;
}

/** Called with each phase as it ends. */
export function measurePhases({ zone, term, clock, metrics, log, say }: PhasesOptions): (phase: Phase) => void {
  const tookMs: Partial<Record<Phase, number>> = {};
  let begunAt = term.since;
  return (phase) => {
    const now = clock.monotonic();
    tookMs[phase] = Math.round(now - begunAt);
    metrics.takeoverPhase.observe({ zone, phase }, (now - begunAt) / 1000);
    begunAt = now;
    if (phase !== 'publish') return;
    const totalMs = Math.round(now - term.since);
    const entries = Object.entries(tookMs);
    const fields = Object.fromEntries(entries.map(([name, ms]) => [`${name}Ms`, ms]));
    log.info({ totalMs, ...fields }, 'the take-over is complete');
    const parts = entries.map(([name, ms]) => `${name} ${ms} ms`);
    say(`The take-over of zone ${zone} took ${totalMs} ms: ${parts.join(', ')}.`);
  };
}
