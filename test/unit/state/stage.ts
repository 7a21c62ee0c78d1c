/** Replicas that share the state of a zone, without pods and election: terms are what a test says. */
import type { Clock } from '../../../src/clock.ts';
import type { Term, TermEnd } from '../../../src/election/term.ts';
import type { Pod } from '../../../src/kube/types.ts';
import type { Logger } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';
import type { RedisServer } from '../../../src/redis/server.ts';
import type { PodRecord, StateStore, TermState } from '../../../src/state/contract.ts';
import { zoneKeys } from '../../../src/state/redis-scripts.ts';
import { createRedisStateStore } from '../../../src/state/redis-store.ts';
import { seededRandom } from '../../support/virtual-clock.ts';

export const KEYS = zoneKeys('zonelet', 'cluster-uid/demo', 'zone-a');

export interface TestTerm extends Term {
  /** How it was lost, if it was. */
  end: { readonly end: TermEnd; readonly detail: string; readonly stands: number | undefined } | undefined;
  /** What the own clock says. */
  over: boolean;
  readonly lost: AbortController;
}

export function testTerm(epoch: number, holder = `replica-${epoch}_-_boot`): TestTerm {
  const lost = new AbortController();
  const term: TestTerm = {
    zone: 'zone-a',
    epoch,
    holder,
    since: 0,
    leaderlessMs: undefined,
    cause: 'first',
    signal: lost.signal,
    ending: new AbortController().signal,
    mayAct: () => !term.over && !lost.signal.aborted,
    remainingMs: () => (term.over ? 0 : 5_000),
    handOver() {},
    stay() {},
    lose(end, detail, stands) {
      term.end ??= { end, detail, stands };
      lost.abort();
    },
    end: undefined,
    over: false,
    lost,
  };
  return term;
}

export const pod = (uid: string): Pod => ({ metadata: { uid, name: uid, namespace: 'default' } });

export const record = (epoch: number, handle: string): PodRecord => ({ epoch, handle, applied: 'x' });

export interface TestReplica extends AsyncDisposable {
  readonly store: StateStore;
  readonly logged: string[];
  metric(name: string): Promise<number>;
  begin(epoch: number): Promise<{ readonly term: TestTerm; readonly state: TermState }>;
}

/** A replica that follows the zone's state until it is disposed. */
export function testReplica(server: RedisServer, clock: Clock, seed: number): TestReplica {
  const metrics = createMetrics({ set: 's', version: '0', runtime: false });
  const logged: string[] = [];
  const keep = (fields: object, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  const store = createRedisStateStore({
    server,
    keys: KEYS,
    zone: 'zone-a',
    clock,
    random: seededRandom(seed),
    metrics: metrics.state,
    onFenced: () => metrics.election.fenced.inc({ zone: 'zone-a', by: 'state' }),
    log,
  });
  const life = new AbortController();
  const running = store.run(life.signal);
  return {
    store,
    logged,
    async metric(name) {
      const found = await metrics.registry.getSingleMetric(name)?.get();
      return found?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
    },
    async begin(epoch) {
      const term = testTerm(epoch);
      return { term, state: await store.begin(term) };
    },
    async [Symbol.asyncDispose]() {
      life.abort();
      await running;
    },
  };
}
