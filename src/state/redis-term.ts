/**
 * The writing side, for one term: what changes is kept in memory at once and written in the background, many pods at a
 * time, the latest of each. What could not be written waits, one record a pod, until the store is back.
 */
import { sleep } from '../clock.ts';
import type { Term } from '../election/term.ts';
import { messageOf } from '../errors.ts';
import type { PodRecord, TermState } from './contract.ts';
import { encodeRecord, sameRecord } from './record.ts';
import { type Change, MAX_GONE, MAX_RECORDS, type Written, write } from './redis-scripts.ts';
import { describeForeign, reasonOf, type SharedState } from './redis-shared.ts';

/** What a take-over waits for a store that does not answer, and a create for its intent. */
const PATIENCE_MS = 250;
const WRITE_TIMEOUT_MS = 1_000;
/** Pods in one write: a script of a few milliseconds. */
const BATCH = 200;
/** A leader with nothing to write looks this often whether the store is still its own. */
const TOUCH_MS = 10_000;
const RETRY_MS = 500;
/** For what was kept last, at the end of a term. */
const FLUSH_MS = 200;

/** How an exchange with the store went. */
type Outcome = 'taken' | 'refused' | 'away';

/** `onEnd` is told whether the copy is all that is in the store. */
export async function createTermState(
  shared: SharedState,
  term: Term,
  onEnd: (isCurrent: boolean) => void,
): Promise<TermState> {
  const { server, keys, zone, clock, copy, metrics, log } = shared;
  const { records } = copy;
  const id = shared.random.uuid();
  const life = new AbortController();
  const { signal } = life;
  const stop = (): void => life.abort();
  /** Not written yet, by UID; `records` has the value. */
  const pending = new Map<string, 'set' | 'intend' | 'drop'>();
  const burials = new Set<string>();
  /** Kept by this term itself: what the store has of these is older. */
  const own = new Set<string>();
  /** Creates that wait for their intent to be written. */
  const waiting = new Map<string, (outcome: 'go' | 'gone') => void>();
  /** Ends the wait for something to write. */
  let wake = new AbortController();
  /** Ends the wait for a store that is away. */
  let back = new AbortController();
  let isClosing = false;
  /** The store has this term's fence, and the copy all that is in it. */
  let isCurrent = false;
  let wasFull = false;
  /** The store may have what the copy does not. */
  let hasForgotten = false;

  if (term.signal.aborted) stop();
  else term.signal.addEventListener('abort', stop, { once: true });
  const unwatch = server.onState(() => {
    back.abort();
    wake.abort();
  });

  function change(uid: string, kind: 'set' | 'intend' | 'drop'): void {
    pending.set(uid, kind);
    if (kind === 'drop') own.delete(uid);
    else own.add(uid);
    wake.abort();
  }

  function drop(uid: string): void {
    if (!records.delete(uid)) return;
    if (isCurrent) {
      change(uid, 'drop');
      return;
    }
    // While the store is away this is not remembered, or it would grow with every pod: what is still there then is read
    // again and goes with the next complete list.
    hasForgotten = true;
    pending.delete(uid);
    own.delete(uid);
  }

  /** One at a time: the numbers of the writes are counted. */
  async function exchange(timeoutMs: number): Promise<Outcome> {
    if (!term.mayAct() || signal.aborted) return 'away';
    const batch = isCurrent ? take() : [];
    const sentAt = clock.monotonic();
    try {
      const limits = { signal, timeoutMs: Math.max(1, Math.min(timeoutMs, term.remainingMs())) };
      const answer = await write(server, keys, { epoch: term.epoch, holder: term.holder, id }, batch, limits);
      metrics.writes.inc({ zone });
      metrics.duration.observe({ zone }, (clock.monotonic() - sentAt) / 1000);
      if (answer.kind === 'ok') {
        settle(batch, answer);
        if (await catchUp(batch, answer, timeoutMs)) return 'taken';
      } else {
        putBack(batch);
        if (answer.kind === 'foreign') shared.tell(...describeForeign(answer));
        else {
          const detail = `the shared pod state was claimed with epoch ${answer.epoch} by ${answer.holder}`;
          metrics.errors.inc({ zone, reason: 'FENCED' });
          shared.onFenced();
          term.lose('fenced', detail, answer.epoch);
        }
      }
      isCurrent = false;
      release();
      return 'refused';
    } catch (error) {
      putBack(batch);
      isCurrent = false;
      release();
      if (!signal.aborted) shared.tell(messageOf(error), reasonOf(error));
      return 'away';
    }
  }

  /** What a write came to, pod by pod. */
  function settle(batch: readonly Change[], { buried, full }: Written): void {
    for (const uid of buried) {
      records.delete(uid);
      own.delete(uid);
      waiting.get(uid)?.('gone');
    }
    for (const { uid } of batch) waiting.get(uid)?.('go');
    if (full > 0) metrics.errors.inc({ zone, reason: 'FULL' }, full);
    if (full > 0 && !wasFull) {
      log.warn({ limit: MAX_RECORDS }, 'the shared pod state is full: of further pods a successor knows less');
    }
    wasFull = full > 0;
  }

  /** The copy is made to be all that is in the store. False when that is not this program's to read. */
  async function catchUp(batch: readonly Change[], { id, seq, fresh }: Written, timeoutMs: number): Promise<boolean> {
    if (fresh) {
      if (records.size > 0 || copy.id !== '') {
        metrics.rebuilds.inc({ zone });
        log.warn({ pods: records.size }, 'the shared pod state was lost; it is written anew');
      }
      for (const uid of records.keys()) pending.set(uid, 'set');
    } else if (hasForgotten || !copy.isAt(id, batch.length === 0 ? seq : seq - 1)) {
      if (!(await readAll(timeoutMs))) return false;
    }
    hasForgotten = false;
    copy.setAt(id, seq);
    isCurrent = true;
    shared.tell(undefined);
    return true;
  }

  /** What predecessors wrote; of what this term kept itself, also meanwhile, its own stands and is written again. */
  async function readAll(timeoutMs: number): Promise<boolean> {
    const outcome = await shared.scanAll(signal, timeoutMs, (found) => {
      const mine = new Map([...own, ...pending.keys()].map((uid) => [uid, records.get(uid)]));
      copy.endScan(found);
      for (const [uid, record] of mine) {
        const theirs = records.get(uid);
        if (record === undefined) {
          if (records.delete(uid)) pending.set(uid, 'drop');
          continue;
        }
        records.set(uid, record);
        if (theirs === undefined || !sameRecord(theirs, record)) pending.set(uid, pending.get(uid) ?? 'set');
      }
      return true;
    });
    return outcome === 'ok';
  }

  function take(): Change[] {
    const batch: Change[] = [];
    for (const uid of burials) {
      if (batch.length >= BATCH) break;
      burials.delete(uid);
      batch.push({ kind: 'bury', uid, json: '' });
    }
    for (const [uid, kind] of pending) {
      if (batch.length >= BATCH) break;
      pending.delete(uid);
      const record = records.get(uid);
      if (record === undefined) batch.push({ kind: 'drop', uid, json: '' });
      else batch.push({ kind: kind === 'intend' ? 'intend' : 'set', uid, json: encodeRecord(record) });
    }
    return batch;
  }

  /** What was kept meanwhile is newer and stays. */
  function putBack(batch: readonly Change[]): void {
    for (const { kind, uid } of batch) {
      if (kind === 'bury') burials.add(uid);
      else if (!pending.has(uid)) pending.set(uid, kind);
    }
  }

  /** Nobody waits for a store that does not answer. */
  function release(): void {
    for (const settle of waiting.values()) settle('go');
  }

  async function run(): Promise<void> {
    let touchAt = clock.monotonic() + TOUCH_MS;
    while (!isClosing && !signal.aborted) {
      wake = new AbortController();
      back = new AbortController();
      const untilTouch = touchAt - clock.monotonic();
      if (isCurrent && pending.size + burials.size === 0 && untilTouch > 0) {
        await sleep(clock, untilTouch, AbortSignal.any([signal, wake.signal]));
        continue;
      }
      const outcome = await exchange(WRITE_TIMEOUT_MS);
      touchAt = clock.monotonic() + TOUCH_MS;
      if (outcome === 'taken' || isClosing) continue;
      await sleep(clock, outcome === 'away' ? RETRY_MS : TOUCH_MS, AbortSignal.any([signal, back.signal]));
    }
  }

  const first = exchange(WRITE_TIMEOUT_MS);
  const running = first.then(run);
  const patience = new AbortController();
  await Promise.race([first, sleep(clock, PATIENCE_MS, patience.signal)]);
  patience.abort();

  return {
    read: (pod) => records.get(pod.metadata?.uid ?? ''),
    keep(pod, record) {
      const uid = pod.metadata?.uid ?? '';
      const before = records.get(uid);
      if (before !== undefined && sameRecord(before, record)) return undefined;
      records.set(uid, record);
      metrics.records.set({ zone }, records.size);
      change(uid, 'set');
      return undefined;
    },
    async intend(uid) {
      const before = records.get(uid);
      if (before === undefined) {
        const record: PodRecord = { epoch: term.epoch, intended: true };
        records.set(uid, record);
      }
      change(uid, 'intend');
      if (!isCurrent || signal.aborted) return 'go';
      const outcome = Promise.withResolvers<'go' | 'gone'>();
      waiting.set(uid, outcome.resolve);
      const limit = new AbortController();
      void sleep(clock, PATIENCE_MS, limit.signal).then(() => outcome.resolve('go'));
      try {
        return await outcome.promise;
      } finally {
        limit.abort();
        waiting.delete(uid);
      }
    },
    bury(uid) {
      burials.add(uid);
      const [oldest = ''] = burials;
      if (burials.size > MAX_GONE) burials.delete(oldest);
      wake.abort();
    },
    forget(uid) {
      drop(uid);
    },
    complete(known) {
      const uids = new Set<string>();
      for (const { uid, record } of known) {
        uids.add(uid);
        const before = records.get(uid);
        if (record === undefined || before?.handle !== undefined) continue;
        records.set(uid, { ...before, ...record });
        change(uid, 'set');
      }
      for (const uid of [...records.keys()]) {
        if (!uids.has(uid)) drop(uid);
      }
      metrics.records.set({ zone }, records.size);
    },
    async [Symbol.asyncDispose]() {
      isClosing = true;
      wake.abort();
      back.abort();
      const limit = clock.setTimer(FLUSH_MS, stop);
      await running;
      while (isCurrent && pending.size + burials.size > 0 && (await exchange(FLUSH_MS)) === 'taken');
      limit.cancel();
      life.abort();
      unwatch();
      release();
      term.signal.removeEventListener('abort', stop);
      onEnd(isCurrent);
    },
  };
}
