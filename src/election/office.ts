/** The holder's side of a term: what the campaign does with it. Consumers see it as `Term`. */
import type { Clock } from '../clock.ts';
import { ageOf, rightToActMs, type Stamp, wasSuspended } from './right-to-act.ts';
import type { OrderlyEnd, Term, TermCause, TermEnd } from './term.ts';

export interface OfficeOptions {
  readonly zone: string;
  readonly epoch: number;
  readonly holder: string;
  readonly leaderlessMs: number | undefined;
  readonly cause: TermCause;
  /** When the write that won it was sent. */
  readonly sent: Stamp;
  readonly leaseDurationMs: number;
  /** From the last successful renewal on; then the term is over. */
  readonly renewDeadlineMs: number;
  readonly clock: Clock;
  /** Called once, when it is over for whatever reason. */
  readonly ended: (end: TermEnd, detail: string, stands: number | undefined) => void;
}

export interface Office extends Term {
  readonly over: TermEnd | undefined;
  /** Why it is being wound down; undefined when it is not. */
  readonly windingDown: OrderlyEnd | undefined;
  /** The replica that it is wound down for, and why. */
  readonly successor: { readonly name: string; readonly why: string } | undefined;
  /** The zone was put here by hand. */
  readonly stays: boolean;
  /** When the last successful renewal was sent. */
  readonly sent: Stamp;
  /** A renewal that was sent at this moment succeeded. */
  renewed(sent: Stamp): void;
  /** Milliseconds until the renewal deadline. */
  renewalLeftMs(): number;
  windDown(why: OrderlyEnd, successor?: { readonly name: string; readonly why: string }): void;
}

export function openOffice(options: OfficeOptions): Office {
  const { clock, zone, epoch, holder, leaderlessMs, cause, ended } = options;
  const rightMs = rightToActMs(options.leaseDurationMs);
  const signal = new AbortController();
  const ending = new AbortController();
  const since = clock.monotonic();
  let sent = options.sent;
  let over: TermEnd | undefined;
  let windingDown: Office['windingDown'];
  let successor: Office['successor'];
  let stays = false;
  let timer = arm();

  function arm(): { cancel(): void } {
    return clock.setTimer(Math.max(0, options.renewDeadlineMs - ageOf(sent, clock)), () => {
      if (over !== undefined) return;
      if (ageOf(sent, clock) < options.renewDeadlineMs) timer = arm();
      else runOut(options.renewDeadlineMs);
    });
  }

  function runOut(afterMs: number): void {
    const suspended = wasSuspended(sent, clock);
    lose(
      suspended ? 'suspended' : 'expired',
      suspended ? 'the machine was suspended for too long' : `no renewal succeeded for ${afterMs} ms`,
    );
  }

  function lose(end: TermEnd, detail: string, stands?: number): void {
    if (over !== undefined) return;
    over = end;
    timer.cancel();
    signal.abort(new DOMException(`the term of zone ${zone} with epoch ${epoch} is over: ${detail}`, 'AbortError'));
    ended(end, detail, stands);
  }

  function remainingMs(): number {
    if (over !== undefined) return 0;
    const left = rightMs - ageOf(sent, clock);
    if (left > 0) return left;
    runOut(rightMs);
    return 0;
  }

  function windDown(why: OrderlyEnd, next?: Office['successor']): void {
    if (windingDown !== undefined) return;
    windingDown = why;
    successor = next;
    const whom = next === undefined ? '' : ` to ${next.name} (${next.why})`;
    ending.abort(
      new DOMException(`the term of zone ${zone} with epoch ${epoch} is to end: ${why}${whom}`, 'AbortError'),
    );
  }

  return {
    zone,
    epoch,
    holder,
    since,
    leaderlessMs,
    cause,
    signal: signal.signal,
    ending: ending.signal,
    mayAct: () => remainingMs() > 0,
    remainingMs,
    lose,
    get over() {
      return over;
    },
    get sent() {
      return sent;
    },
    get windingDown() {
      return windingDown;
    },
    renewed(at) {
      if (over !== undefined || at.monotonic <= sent.monotonic) return;
      // Judged by the right that it had until now: one that ran out unnoticed is not brought back.
      if (remainingMs() === 0) return;
      sent = at;
      timer.cancel();
      timer = arm();
    },
    renewalLeftMs: () => (over === undefined ? Math.max(0, options.renewDeadlineMs - ageOf(sent, clock)) : 0),
    get successor() {
      return successor;
    },
    get stays() {
      return stays;
    },
    windDown,
    handOver: (to, why) => windDown('handed-over', { name: to, why }),
    stay() {
      stays = true;
    },
  };
}
