/** The backend of a zone and how replicas reach it: the simulated backend, over links that can be bad, telling lies. */

import type { SimulatedBackend } from '../../../providers/simulated/backend.ts';
import { createSimulatedBackend, createSimulatedProvider } from '../../../providers/simulated/provider.ts';
import { sleep } from '../../../src/clock.ts';
import { ZoneletError } from '../../../src/errors.ts';
import type {
  BackendPod,
  Operation,
  PodRef,
  Provider,
  ReadOptions,
  WatchEvent,
  ZoneReport,
} from '../../../src/provider/contract.ts';
import type { Actor, BackendOperation, History } from './history.ts';
import { type Breakable, ConnectionBroken, type Link, roundTrip } from './link.ts';
import { podBehaviour } from './pod-behaviour.ts';
import type { Process } from './process.ts';
import type { Dice } from './randomness.ts';
import type { Scheduler } from './scheduler.ts';

export interface BackendTrouble {
  /** Connections are refused. */
  away: boolean;
  /** Every call takes up to so long more. */
  slowMs: number;
  /** Lists are empty, or lack pods, and say that they are complete. */
  lie: 'none' | 'empty' | 'partial';
  /** Lists lack pods and say so. */
  incomplete: boolean;
  /** Reads show what was so long ago. */
  staleMs: number;
}

const REPORT_EVERY_MS = 8_000;
const REPORT_TIMEOUT_MS = 3_000;
const RECONNECT_MS = 1_000;

export class ZoneBackend {
  readonly zone: string;
  readonly trouble: BackendTrouble = { away: false, slowMs: 0, lie: 'none', incomplete: false, staleMs: 0 };
  readonly backend: SimulatedBackend;
  readonly #scheduler: Scheduler;
  readonly #history: History;
  readonly #dice: Dice;
  readonly #streams = new Set<Breakable>();
  /** Lists of the last while, for stale reads. */
  #past: { readonly at: number; readonly pods: ReadonlyMap<string, BackendPod> }[] = [];
  #owner = '';

  constructor(zone: string, scheduler: Scheduler, history: History, dice: Dice) {
    this.zone = zone;
    this.#scheduler = scheduler;
    this.#history = history;
    this.#dice = dice;
    this.backend = createSimulatedBackend({ zone, clock: scheduler.clock, behave: podBehaviour });
  }

  get healthy(): boolean {
    const { away, slowMs, lie, incomplete, staleMs } = this.trouble;
    return !away && slowMs === 0 && lie === 'none' && !incomplete && staleMs === 0;
  }

  /** What really is there. */
  pods(): Map<string, BackendPod> {
    return new Map([...this.backend.list(this.#owner)].map((pod) => [pod.ref.uid, pod]));
  }

  /** Keeps what is there now, so that a read may show it later. */
  remember(): void {
    this.#past.push({ at: this.#scheduler.now, pods: this.pods() });
    if (this.#past.length > 64) this.#past.shift();
  }

  breakStreams(): void {
    for (const stream of [...this.#streams]) stream.break();
  }

  #seen(): ReadonlyMap<string, BackendPod> {
    const { staleMs } = this.trouble;
    if (staleMs === 0) return this.pods();
    const then = this.#scheduler.now - staleMs;
    return this.#past.findLast(({ at }) => at <= then)?.pods ?? this.pods();
  }

  /** One replica's adapter. */
  provider(process: Process, actor: Actor, link: Link): Provider {
    const inner = createSimulatedProvider(this.backend, process.clock);
    const life = new AbortController();
    const scheduler = this.#scheduler;

    const call = <T>(what: string, mutating: boolean, signal: AbortSignal, run: () => T): Promise<T> =>
      roundTrip<T>({
        link,
        process,
        scheduler,
        what,
        mutating,
        repeatable: false,
        signal,
        aborted: 'lost',
        serve: async () => {
          if (this.trouble.away) throw new ZoneletError('Unavailable', `${what}: the backend is away`);
          const { slowMs } = this.trouble;
          if (slowMs > 0) await new Promise<void>((resolve) => scheduler.after(slowMs * this.#dice.next(), resolve));
          if (this.trouble.away) throw new ConnectionBroken();
          return run();
        },
      });

    const mutate = <T>(
      operation: BackendOperation['operation'],
      uid: string,
      by: Operation,
      run: () => T,
      outcome: (result: T) => BackendOperation['outcome'],
    ): Promise<T> =>
      call(operation, true, by.signal, () => {
        const { epoch, holder } = by;
        this.#owner = by.owner;
        const book = (outcome: BackendOperation['outcome']): void =>
          this.#history.backend({ at: scheduler.now, zone: this.zone, actor, operation, uid, epoch, holder, outcome });
        let result: T;
        try {
          result = run();
        } catch (error) {
          book(error instanceof ZoneletError && error.code === 'Fenced' ? 'refused' : 'failed');
          throw error;
        }
        book(outcome(result));
        this.remember();
        return result;
      });

    return {
      kind: inner.kind,
      zone: this.zone,
      capabilities: inner.capabilities,
      validate: (pod) => inner.validate(pod),
      claim: (by) =>
        mutate(
          'claim',
          '',
          by,
          () => this.backend.claim(by),
          () => 'accepted',
        ),
      create: (pod, by) =>
        mutate(
          'create',
          pod.ref.uid,
          by,
          () => this.backend.create(pod, by),
          ({ outcome }) => outcome,
        ),
      update: (pod, by) =>
        mutate(
          'update',
          pod.ref.uid,
          by,
          () => this.backend.update(pod, by),
          () => 'accepted',
        ),
      delete: (ref: PodRef, { gracePeriodSeconds }, by) => {
        const there = (): boolean => this.backend.get(by.owner, ref.uid) !== undefined;
        let before = false;
        return mutate(
          'delete',
          ref.uid,
          by,
          () => {
            before = there();
            return this.backend.delete(ref, gracePeriodSeconds, by);
          },
          ({ state }) => (before ? state : 'absent'),
        );
      },
      get: (_owner, ref, { signal }: ReadOptions) => call('get', false, signal, () => this.#seen().get(ref.uid)),
      list: (_owner, { signal }: ReadOptions) =>
        call('list', false, signal, () => {
          const { lie, incomplete } = this.trouble;
          let pods = [...this.#seen().values()];
          if (lie === 'empty') pods = [];
          if (lie === 'partial' || incomplete) pods = pods.filter(() => this.#dice.chance(0.5));
          return { pods, complete: !incomplete };
        }),
      watch: (owner, signal) =>
        this.#watch(process, link, (connection) => inner.watch(owner, connection), any(signal, life.signal)),
      zoneReports: (signal) =>
        this.#reports(process, any(signal, life.signal), (ask) => call('zone report', false, ask, () => {})),
      async [Symbol.asyncDispose]() {
        life.abort();
        await inner[Symbol.asyncDispose]();
      },
    };
  }

  /** Begins anew whenever the connection broke. */
  async *#watch(
    process: Process,
    link: Link,
    open: (connection: AbortSignal) => AsyncIterable<WatchEvent>,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const scheduler = this.#scheduler;
    while (!signal.aborted) {
      if (!link.refused && !link.up.blocked && !this.trouble.away) {
        /** On its way; what overtakes what on the way makes no difference. */
        const sent: WatchEvent[] = [];
        const waiting: WatchEvent[] = [];
        let wake = (): void => {};
        let broken = false;
        let arrivesAt = 0;
        const connection = new AbortController();
        const source = open(connection.signal)[Symbol.asyncIterator]();
        const breakable: Breakable = {
          break: () => {
            connection.abort();
            process.deliver(() => {
              broken = true;
              wake();
            });
          },
        };
        const onAbort = (): void => wake();
        const pump = async (): Promise<void> => {
          for (;;) {
            const { value, done } = await source.next();
            if (done === true || connection.signal.aborted) return;
            sent.push(value);
            const deliver = (): void =>
              process.deliver(() => {
                waiting.push(...sent.splice(0, 1));
                wake();
              });
            if (link.down.blocked) link.hold('down', deliver);
            else {
              arrivesAt = Math.max(arrivesAt, scheduler.now + link.delay('down'));
              scheduler.at(arrivesAt, () => (link.down.blocked ? void link.hold('down', deliver) : deliver()));
            }
          }
        };
        link.streams.add(breakable);
        this.#streams.add(breakable);
        signal.addEventListener('abort', onAbort, { once: true });
        void pump();
        try {
          while (!broken && !signal.aborted) {
            const next = waiting.shift();
            if (next !== undefined) yield next;
            else
              await new Promise<void>((resolve) => {
                wake = resolve;
              });
          }
        } finally {
          link.streams.delete(breakable);
          this.#streams.delete(breakable);
          signal.removeEventListener('abort', onAbort);
          connection.abort();
        }
      }
      await sleep(process.clock, RECONNECT_MS, signal);
    }
  }

  async *#reports(
    process: Process,
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<void>,
  ): AsyncGenerator<ZoneReport> {
    const { capacity } = this.backend;
    while (!signal.aborted) {
      const limit = new AbortController();
      const timer = process.clock.setTimer(REPORT_TIMEOUT_MS, () => limit.abort());
      try {
        await ask(limit.signal);
        yield { state: 'Up', capacity, allocatable: capacity, evidence: 'the backend answers' };
      } catch {
        yield { state: 'Unknown', evidence: 'the backend does not answer' };
      } finally {
        timer.cancel();
      }
      await sleep(process.clock, REPORT_EVERY_MS, signal);
    }
  }
}

function any(...signals: AbortSignal[]): AbortSignal {
  return AbortSignal.any(signals);
}
