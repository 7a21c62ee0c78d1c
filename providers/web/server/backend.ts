/**
 * A zone's backend: fences, pods of every owner, who watches them. It carries out one mutation after the other, each
 * wholly within one turn of the event loop, so that what is kept, journalled and answered is always the same.
 */
import type { Duplex } from 'node:stream';
import type { Clock, Random } from '../../../src/clock.ts';
import { ZoneletError } from '../../../src/errors.ts';
import { runs, secondsText } from '../../../src/lifecycle/record.ts';
import type {
  BackendPod,
  Capabilities,
  CreateOutcome,
  DeleteResult,
  ExecOptions,
  Fence,
  LogOptions,
  PodObservation,
  PodRef,
  PodStats,
  ResolvedPod,
  Resources,
  StandardStreams,
  VolumeContent,
  ZoneReport,
} from '../../../src/provider/contract.ts';
import { withPodIPs } from '../../../src/provider/pod-addresses.ts';
import { DeletedUids } from '../../simulated/deleted-uids.ts';
import type { ZoneSwitch } from '../protocol.ts';
import { createGate, type Gate } from './gate.ts';
import type { Journal } from './journal.ts';
import { createPodLife, type PodLife } from './pod-life.ts';
import { kept, newRecord, observationOf, type PodRecord, podKey, viewOf } from './pod-record.ts';
import { UnsupportedPod } from './refusals.ts';
import type { RunPlan, Runtime } from './runtime.ts';
import type { Store } from './store.ts';

export interface BackendOptions {
  readonly zone: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly runtime: Runtime;
  readonly store: Store;
  readonly journal: Journal;
  /** What the zone reports as its size. `pods` is enforced, the rest is the scheduler's business. */
  readonly capacity: Resources;
}

export interface Subscriber {
  readonly owner: string;
  /** A pod changed, or is gone when `pod` is undefined. */
  changed(ref: PodRef, pod: BackendPod | undefined, last: PodObservation | undefined): void;
}

interface Tracked {
  readonly life: PodLife;
  /** Position in lists; rises with every pod created. */
  readonly order: number;
  view: BackendPod | undefined;
}

export class Backend {
  readonly zone: string;
  readonly runtime: Runtime;
  readonly #options: BackendOptions;
  readonly #gate: Gate;
  readonly #owners = new Map<string, Map<string, Tracked>>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #deleted = new DeletedUids();
  readonly #zoneWatchers = new Set<() => void>();
  #order = 0;
  #size = 0;

  constructor(options: BackendOptions) {
    this.#options = options;
    this.#gate = createGate(options);
    this.zone = options.zone;
    this.runtime = options.runtime;
    this.runtime.keep(
      options.store.found.map(({ plan }) => ({ pod: podKey(plan.owner, plan.ref.uid), address: plan.address })),
    );
    const found = options.store.found.map((record) => this.#track(record));
    for (const { life } of found) {
      life.resume();
      options.store.putState(life.record);
    }
  }

  claim(fence: Fence): void {
    this.#gate.pass('claim', fence, undefined, () => ({ result: undefined, outcome: 'accepted' }));
  }

  create(pod: ResolvedPod, fence: Fence): { readonly outcome: CreateOutcome; readonly pod: BackendPod } {
    const { store, clock } = this.#options;
    return this.#gate.pass<{ outcome: CreateOutcome; pod: BackendPod }>('create', fence, pod.ref, () => {
      const there = this.#find(fence.owner, pod.ref.uid);
      if (there !== undefined) {
        const { record } = there.life;
        if (record.state.epoch !== fence.epoch) {
          record.state.epoch = fence.epoch;
          store.putState(record);
          there.view = undefined;
        }
        return { result: { outcome: 'adopted', pod: this.#view(there) }, outcome: 'adopted' };
      }
      if (this.#deleted.has(pod.ref.uid)) throw new ZoneletError('Conflict', `pod ${pod.ref.uid} was deleted here`);
      const unsupported = this.runtime.unsupported(pod.pod);
      if (unsupported.length > 0) throw new UnsupportedPod(unsupported);
      const { state, reason } = store.zone;
      if (state === 'Down') throw new ZoneletError('Unavailable', `the zone is down: ${reason}`);
      if (state === 'NoNew') throw new ZoneletError('NoCapacity', `the backend takes no new pods: ${reason}`);
      if (this.#full()) throw new ZoneletError('NoCapacity', `the backend takes no more than ${this.#size} pods`);
      const address = this.runtime.takeAddress();
      const plan = { ...kept(withPodIPs(pod, [address])), owner: fence.owner, address, createdAtMs: clock.now() };
      const record = newRecord(plan, fence.epoch);
      const key = podKey(fence.owner, pod.ref.uid);
      try {
        // Before the pod is: one that is there has all that it begins with.
        this.runtime.putVolumes(key, pod.volumes);
        store.putPod(record);
      } catch (error) {
        this.runtime.forget(key);
        this.runtime.releaseAddress(address);
        throw error;
      }
      const tracked = this.#track(record);
      tracked.life.advance();
      store.putState(record);
      this.#changed(tracked);
      if (this.#full()) this.#zoneChanged();
      return { result: { outcome: 'created', pod: this.#view(tracked) }, outcome: 'accepted' };
    });
  }

  update(pod: ResolvedPod, fence: Fence): BackendPod {
    return this.#gate.pass('update', fence, pod.ref, () => {
      const there = this.#find(fence.owner, pod.ref.uid);
      if (there === undefined) throw new ZoneletError('NotFound', `there is no pod ${pod.ref.uid}`);
      const unsupported = this.runtime.unsupported(pod.pod);
      if (unsupported.length > 0) throw new UnsupportedPod(unsupported);
      const { record } = there.life;
      record.plan = { ...record.plan, pod: pod.pod, env: pod.env, hash: pod.hash };
      record.state.epoch = fence.epoch;
      record.state.hash = pod.hash;
      this.runtime.putVolumes(podKey(fence.owner, pod.ref.uid), pod.volumes);
      this.#options.store.putPod(record);
      there.life.advance();
      this.#options.store.putState(record);
      this.#changed(there);
      return { result: this.#view(there), outcome: 'accepted' };
    });
  }

  refreshVolumes(uid: string, volumes: Readonly<Record<string, VolumeContent>>, fence: Fence): void {
    const there = this.#find(fence.owner, uid);
    const ref = there?.life.record.plan.ref ?? { uid, namespace: '', name: '' };
    this.#gate.pass('volumes', fence, ref, () => {
      if (there === undefined) throw new ZoneletError('NotFound', `there is no pod ${uid}`);
      const { record } = there.life;
      const known = new Set(record.plan.pod.spec?.volumes?.map(({ name }) => name));
      const foreign = Object.keys(volumes).find((name) => !known.has(name));
      if (foreign !== undefined) throw new ZoneletError('InvalidInput', `pod ${uid} has no volume ${foreign}`);
      this.runtime.putVolumes(podKey(fence.owner, uid), volumes);
      if (record.state.epoch !== fence.epoch) {
        record.state.epoch = fence.epoch;
        this.#options.store.putState(record);
        there.view = undefined;
      }
      return { result: undefined, outcome: 'accepted' };
    });
  }

  delete(uid: string, gracePeriodSeconds: number, fence: Fence): DeleteResult {
    const { store } = this.#options;
    const there = this.#find(fence.owner, uid);
    const ref = there?.life.record.plan.ref ?? { uid, namespace: '', name: '' };
    return this.#gate.pass<DeleteResult>('delete', fence, ref, () => {
      if (there === undefined) {
        this.#deleted.add(uid);
        return { result: { state: 'gone' }, outcome: 'accepted' };
      }
      const { life } = there;
      life.record.state.epoch = fence.epoch;
      life.stop(gracePeriodSeconds * 1000);
      if (life.record.state.containers.some(runs)) {
        store.putState(life.record);
        this.#changed(there);
        return { result: { state: 'stopping', pod: this.#view(there) }, outcome: 'accepted' };
      }
      return { result: { state: 'gone', last: this.#remove(there) }, outcome: 'accepted' };
    });
  }

  get(owner: string, uid: string): BackendPod | undefined {
    const there = this.#find(owner, uid);
    return there === undefined ? undefined : this.#view(there);
  }

  /** In the order of creation, those created after the pod at position `after`; with their positions. */
  *list(owner: string, after = 0): Generator<{ readonly pod: BackendPod; readonly position: number }, void, void> {
    for (const tracked of this.#owners.get(owner)?.values() ?? []) {
      if (tracked.order > after) yield { pod: this.#view(tracked), position: tracked.order };
    }
  }

  /** `NotFound` when there is no such pod, container or run. */
  log(owner: string, uid: string, name: string, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const life = this.#find(owner, uid)?.life;
    if (life === undefined) throw new ZoneletError('NotFound', `there is no pod ${uid}`);
    const container = life.record.state.containers.find((one) => one.name === name);
    if (container === undefined) throw new ZoneletError('NotFound', `pod ${uid} has no container ${name}`);
    const run = life.runOf(container, options.previous);
    if (run === undefined) throw new ZoneletError('NotFound', `container ${name} of pod ${uid} has no run before this`);
    return this.runtime.log(run, options, signal);
  }

  /** Throws at once what keeps it from being begun. */
  exec(owner: string, uid: string, name: string, options: ExecOptions) {
    const run = this.#running(owner, uid, name);
    const exec = this.runtime.exec?.bind(this.runtime);
    if (exec === undefined) throw this.#notOffered('exec');
    return (streams: StandardStreams, signal: AbortSignal) => exec(run, options, streams, signal);
  }

  attach(owner: string, uid: string, name: string) {
    const run = this.#running(owner, uid, name);
    const attach = this.runtime.attach?.bind(this.runtime);
    if (attach === undefined) throw this.#notOffered('attach');
    return (streams: StandardStreams, signal: AbortSignal) => attach(run, streams, signal);
  }

  async portForward(owner: string, uid: string, port: number, signal: AbortSignal): Promise<Duplex> {
    const life = this.#find(owner, uid)?.life;
    if (life === undefined) throw new ZoneletError('NotFound', `there is no pod ${uid}`);
    if (!life.record.state.containers.some(runs)) throw new ZoneletError('Conflict', `pod ${uid} is not running`);
    const forward = this.runtime.portForward?.bind(this.runtime);
    if (forward === undefined) throw this.#notOffered('portForward');
    return await forward({ address: life.record.plan.address }, port, signal);
  }

  stats(owner: string): readonly PodStats[] {
    const measure = this.runtime.stats?.bind(this.runtime);
    if (measure === undefined) throw this.#notOffered('stats');
    return [...(this.#owners.get(owner)?.values() ?? [])].map(({ life: { record, planOf } }) => ({
      ref: record.plan.ref,
      startTime: secondsText(record.plan.createdAtMs),
      containers: measure(record.state.containers.filter(runs).flatMap((container) => planOf(container) ?? [])),
    }));
  }

  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  report(): ZoneReport {
    const { capacity, store } = this.#options;
    const { state, reason } = store.zone;
    const full = this.#full();
    const runs = `the ${this.runtime.kind} backend runs ${this.#size} pods`;
    return {
      state: state === 'Up' && full ? 'NoNew' : state,
      capacity,
      allocatable: capacity,
      evidence:
        state === 'Up' ? `${runs}${full ? ' and takes no more' : ''}` : `an operator said ${state}: ${reason}; ${runs}`,
    };
  }

  /** What an operator says of the zone, kept until the next word. */
  switchZone(zone: ZoneSwitch): void {
    this.#options.store.putZone(zone);
    this.#zoneChanged();
  }

  /** Told when the zone's own state changed. */
  watchZone(changed: () => void): () => void {
    this.#zoneWatchers.add(changed);
    return () => this.#zoneWatchers.delete(changed);
  }

  /** Timers stop. What runs goes on running. */
  leave(): void {
    for (const pods of this.#owners.values()) for (const { life } of pods.values()) life.leave();
  }

  #track(record: PodRecord): Tracked {
    const { owner, ref } = record.plan;
    const { store, clock, random, runtime } = this.#options;
    const keep = (): void => store.putState(record);
    const life = createPodLife({
      record,
      runtime,
      clock,
      random,
      keep,
      changed: () => {
        keep();
        this.#changed(tracked);
      },
    });
    const tracked: Tracked = { life, order: ++this.#order, view: undefined };
    let pods = this.#owners.get(owner);
    if (pods === undefined) {
      pods = new Map();
      this.#owners.set(owner, pods);
    }
    pods.set(ref.uid, tracked);
    this.#size++;
    return tracked;
  }

  #remove({ life }: Tracked): PodObservation {
    const { record } = life;
    const { owner, ref, address } = record.plan;
    const last = observationOf(record, this.runtime.kind, life.events);
    this.#deleted.add(ref.uid);
    this.#options.store.remove(record);
    life.leave();
    this.runtime.forget(podKey(owner, ref.uid));
    this.runtime.releaseAddress(address);
    const wasFull = this.#full();
    const pods = this.#owners.get(owner);
    pods?.delete(ref.uid);
    if (pods?.size === 0) this.#owners.delete(owner);
    this.#size--;
    for (const subscriber of this.#subscribers)
      if (subscriber.owner === owner) subscriber.changed(ref, undefined, last);
    if (wasFull) this.#zoneChanged();
    return last;
  }

  #running(owner: string, uid: string, name: string): RunPlan {
    const life = this.#find(owner, uid)?.life;
    if (life === undefined) throw new ZoneletError('NotFound', `there is no pod ${uid}`);
    const container = life.record.state.containers.find((one) => one.name === name);
    if (container === undefined) throw new ZoneletError('NotFound', `pod ${uid} has no container ${name}`);
    const plan = life.planOf(container);
    if (container.phase === 'running' && plan !== undefined) return plan;
    throw new ZoneletError('Conflict', `container ${name} of pod ${uid} is not running`);
  }

  #notOffered(what: keyof Capabilities): ZoneletError {
    return new ZoneletError('Unsupported', `runtime ${this.runtime.kind} offers no ${what}`);
  }

  #find(owner: string, uid: string): Tracked | undefined {
    return this.#owners.get(owner)?.get(uid);
  }

  #view(tracked: Tracked): BackendPod {
    tracked.view ??= viewOf(tracked.life.record, this.zone, this.runtime.kind, tracked.life.events);
    return tracked.view;
  }

  #changed(tracked: Tracked): void {
    tracked.view = undefined;
    const { owner, ref } = tracked.life.record.plan;
    for (const subscriber of this.#subscribers) {
      if (subscriber.owner === owner) subscriber.changed(ref, this.#view(tracked), undefined);
    }
  }

  #full(): boolean {
    return this.#size >= Number(this.#options.capacity.pods ?? Number.POSITIVE_INFINITY);
  }

  #zoneChanged(): void {
    for (const changed of this.#zoneWatchers) changed();
  }
}
