/**
 * A zone's backend in memory: it runs nothing and behaves as if it did, at once and in O(1) per operation.
 * It keeps fences, addresses and pods like a real one, so that several replicas of one process can share it.
 */
import type { Clock } from '../../src/clock.ts';
import { ZoneletError } from '../../src/errors.ts';
import type { ContainerState } from '../../src/kube/types.ts';
import type {
  BackendPod,
  CreateOutcome,
  DeleteResult,
  Fence,
  PodRef,
  PodStats,
  ResolvedPod,
  Resources,
} from '../../src/provider/contract.ts';
import { Fenced } from '../../src/provider/fenced.ts';
import { type AddressPool, createAddressPool, DEFAULT_POD_CIDR } from './address-pool.ts';
import { type Behave, DEFAULT_CAPACITY, noFaults, type PodBehaviour, type SimulatedFaults } from './behaviour.ts';
import { appendLine, type ContainerLog, createContainerLog, endLog } from './container-logs.ts';
import { DeletedUids } from './deleted-uids.ts';
import { containerID, isRunning, newPod, type SimulatedContainer, type SimulatedPod, viewOf } from './pod.ts';
import { usageOf } from './usage.ts';

export interface SimulatedBackendOptions {
  readonly zone: string;
  readonly clock: Clock;
  /** @defaultValue 10000 cores, 40Ti of memory, 100000 pods */
  readonly capacity?: Resources;
  /** Where pods get their addresses from. @defaultValue 198.18.0.0/15 */
  readonly podCIDR?: string;
  /** How a pod behaves. @defaultValue it starts at once, runs for ever, stops at once */
  readonly behave?: Behave;
}

export type Change =
  | { readonly type: 'pod'; readonly pod: SimulatedPod }
  | { readonly type: 'gone'; readonly last: BackendPod };

/** One who wants to know of an owner's pods. */
export interface Subscriber {
  readonly owner: string;
  changed(change: Change): void;
  /** Something may have been missed: begin anew. */
  resync(): void;
}

/** First restart at once, then 10 s doubling up to 5 min, as the kubelet's. */
const FIRST_BACK_OFF_MS = 10_000;
const LONGEST_BACK_OFF_MS = 300_000;

export class SimulatedBackend {
  readonly zone: string;
  readonly capacity: Resources;
  readonly #clock: Clock;
  readonly #behave: Behave;
  readonly #addresses: AddressPool;
  readonly #pods = new Map<string, Map<string, SimulatedPod>>();
  readonly #fences = new Map<string, { readonly epoch: number; readonly holder: string }>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #zoneWatchers = new Set<() => void>();
  readonly #deleted = new DeletedUids();
  #faults: SimulatedFaults = noFaults();

  constructor(options: SimulatedBackendOptions) {
    this.zone = options.zone;
    this.capacity = options.capacity ?? DEFAULT_CAPACITY;
    this.#clock = options.clock;
    this.#behave = options.behave ?? ((): PodBehaviour => ({}));
    this.#addresses = createAddressPool(options.podCIDR ?? DEFAULT_POD_CIDR, hash(options.zone));
  }

  // What a backend does.

  claim(fence: Fence): void {
    this.#checkFence(fence);
  }

  create(resolved: ResolvedPod, fence: Fence): { outcome: CreateOutcome; pod: BackendPod } {
    this.#checkFence(fence);
    const { uid } = resolved.ref;
    let pods = this.#pods.get(fence.owner);
    if (pods === undefined) {
      pods = new Map();
      this.#pods.set(fence.owner, pods);
    }
    const there = pods.get(uid);
    if (there !== undefined) {
      there.epoch = fence.epoch;
      there.view = undefined;
      return { outcome: 'adopted', pod: this.#view(there) };
    }
    if (this.#deleted.has(uid)) throw new ZoneletError('Conflict', `pod ${uid} was deleted here`);
    const behaviour = this.#behave(resolved.pod);
    if (behaviour.noCapacity) throw new ZoneletError('NoCapacity', 'the simulated backend has no room for this pod');
    const startTime = secondsText(this.#clock.now());
    const pod = newPod(resolved, fence.owner, fence.epoch, this.#addresses.take(), startTime, behaviour);
    pods.set(uid, pod);
    const delayMs = behaviour.startDelayMs ?? 0;
    if (delayMs > 0) pod.start = this.#clock.setTimer(delayMs, () => this.#start(pod));
    else this.#startContainers(pod);
    this.#changed(pod);
    return { outcome: 'created', pod: this.#view(pod) };
  }

  /** New images restart their containers, as a kubelet does. */
  update(resolved: ResolvedPod, fence: Fence): BackendPod {
    this.#checkFence(fence);
    const pod = this.#find(fence.owner, resolved.ref.uid);
    if (pod === undefined) throw new ZoneletError('NotFound', `there is no pod ${resolved.ref.uid}`);
    pod.epoch = fence.epoch;
    pod.hash = resolved.hash;
    const spec = resolved.pod.spec;
    for (const wanted of [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]) {
      const container = pod.containers.find(({ name }) => name === wanted.name);
      if (container === undefined || wanted.image === undefined || container.image === wanted.image) continue;
      container.image = wanted.image;
      if (container.state.running === undefined || pod.deleting) continue;
      this.#end(pod, container, 0);
      this.#restart(pod, container);
    }
    this.#changed(pod);
    return this.#view(pod);
  }

  delete(ref: PodRef, gracePeriodSeconds: number, fence: Fence): DeleteResult {
    this.#checkFence(fence);
    const pod = this.#find(fence.owner, ref.uid);
    if (pod === undefined) {
      this.#deleted.add(ref.uid);
      return { state: 'gone' };
    }
    const now = this.#clock.monotonic();
    if (!pod.deleting) {
      pod.deleting = true;
      pod.start?.cancel();
      for (const container of pod.containers) container.timer?.cancel();
      const stopMs = pod.behaviour.stopDelayMs ?? 0;
      if (stopMs > 0 && isRunning(pod)) pod.stop = this.#clock.setTimer(stopMs, () => this.#stop(pod, 0));
      else this.#endAll(pod, 0);
    }
    pod.epoch = fence.epoch;
    pod.killAt = Math.min(pod.killAt, now + gracePeriodSeconds * 1000);
    pod.view = undefined;
    if (isRunning(pod) && pod.killAt <= now) this.#endAll(pod, 137);
    if (!isRunning(pod)) return { state: 'gone', last: this.#remove(pod).observation };
    const { killAt } = pod;
    // Not cancelled when a shorter grace comes: whichever timer finds the time passed does the killing.
    this.#clock.setTimer(killAt - now, () => {
      if (pod.killAt <= killAt) this.#stop(pod, 137);
    });
    this.#changed(pod);
    return { state: 'stopping', pod: this.#view(pod) };
  }

  get(owner: string, uid: string): BackendPod | undefined {
    const pod = this.#find(owner, uid);
    return pod === undefined ? undefined : this.#view(pod);
  }

  /** In the order of creation. */
  *list(owner: string): Generator<BackendPod, void, void> {
    let even = true;
    for (const pod of this.#pods.get(owner)?.values() ?? []) {
      even = !even;
      if (!(this.#faults.incompleteLists && even)) yield this.#view(pod);
    }
  }

  /** Of the pods in which something runs. */
  *stats(owner: string): Generator<PodStats, void, void> {
    const now = this.#clock.now();
    for (const pod of this.#pods.get(owner)?.values() ?? []) if (isRunning(pod)) yield usageOf(pod, now);
  }

  /** The log of a run of a container; `NotFound` when there is no such pod, container or run. */
  log(owner: string, uid: string, name: string, previous: boolean): ContainerLog {
    const container = this.#container(owner, uid, name);
    if (previous) {
      if (container.lastState?.terminated === undefined) {
        throw new ZoneletError('NotFound', `container ${name} of pod ${uid} has no run before this one`);
      }
      // Between two runs the one that has ended is the last and the previous one alike.
      const previousLog = container.state.waiting === undefined ? container.previousLog : container.log;
      return previousLog ?? { ...createContainerLog(), ended: true };
    }
    container.log ??= createContainerLog();
    if (container.state.terminated !== undefined) container.log.ended = true;
    return container.log;
  }

  /** The log of a container that runs now; `Conflict` when it does not. */
  runningLog(owner: string, uid: string, name: string): ContainerLog {
    if (this.#container(owner, uid, name).state.running === undefined) {
      throw new ZoneletError('Conflict', `container ${name} of pod ${uid} is not running`);
    }
    return this.log(owner, uid, name, false);
  }

  /** `NotFound` for an unknown pod. */
  isRunning(owner: string, uid: string): boolean {
    const pod = this.#find(owner, uid);
    if (pod === undefined) throw new ZoneletError('NotFound', `there is no pod ${uid}`);
    return isRunning(pod);
  }

  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** Told when the zone's own state changed. */
  watchZone(changed: () => void): () => void {
    this.#zoneWatchers.add(changed);
    return () => this.#zoneWatchers.delete(changed);
  }

  viewOf(pod: SimulatedPod): BackendPod {
    return this.#view(pod);
  }

  // What tests do to it.

  get faults(): SimulatedFaults {
    return this.#faults;
  }

  setFaults(faults: Partial<SimulatedFaults>): void {
    this.#faults = { ...this.#faults, ...faults };
    for (const pods of this.#pods.values()) for (const pod of pods.values()) pod.view = undefined;
    this.#resync();
    for (const changed of this.#zoneWatchers) changed();
  }

  /** The next mutation's reply counts as lost. True when there was one to lose. */
  loseReply(): boolean {
    if (this.#faults.loseReplies <= 0) return false;
    this.#faults.loseReplies--;
    return true;
  }

  /** As after a restart of the backend's process: pods and fences are kept, connections are not. */
  restart(): void {
    this.#resync();
  }

  /** Makes a container end by itself. */
  exit(owner: string, uid: string, name: string, code: number): void {
    const container = this.#container(owner, uid, name);
    const pod = this.#find(owner, uid);
    if (pod === undefined || container.state.running === undefined) {
      throw new ZoneletError('Conflict', `container ${name} of pod ${uid} is not running`);
    }
    this.#exited(pod, container, code);
  }

  /** Makes a container write a line. */
  write(owner: string, uid: string, name: string, line: string): void {
    const container = this.#container(owner, uid, name);
    container.log ??= createContainerLog();
    appendLine(container.log, this.#clock.now(), line);
  }

  /** Pods of every owner. */
  get size(): number {
    let size = 0;
    for (const pods of this.#pods.values()) size += pods.size;
    return size;
  }

  #checkFence({ owner, zone, epoch, holder }: Fence): void {
    if (zone !== this.zone)
      throw new ZoneletError('InvalidInput', `this is the backend of ${this.zone}, not of ${zone}`);
    const fence = this.#fences.get(owner);
    if (fence !== undefined && (epoch < fence.epoch || (epoch === fence.epoch && holder !== fence.holder))) {
      throw new Fenced(
        `epoch ${epoch} of ${holder} is refused: the fence of ${zone} is at ${fence.epoch} of ${fence.holder}`,
        fence,
      );
    }
    if (fence === undefined || epoch > fence.epoch) this.#fences.set(owner, { epoch, holder });
  }

  #find(owner: string, uid: string): SimulatedPod | undefined {
    return this.#pods.get(owner)?.get(uid);
  }

  #container(owner: string, uid: string, name: string): SimulatedContainer {
    const pod = this.#find(owner, uid);
    if (pod === undefined) throw new ZoneletError('NotFound', `there is no pod ${uid}`);
    const container = pod.containers.find((one) => one.name === name);
    if (container === undefined) throw new ZoneletError('NotFound', `pod ${uid} has no container ${name}`);
    return container;
  }

  #view(pod: SimulatedPod): BackendPod {
    const view = viewOf(pod, this.zone);
    if (!this.#faults.lostSight.has(pod.ref.uid)) return view;
    return { ...view, observation: { ...view.observation, reachable: false } };
  }

  #changed(pod: SimulatedPod): void {
    pod.view = undefined;
    for (const subscriber of this.#subscribers) {
      if (subscriber.owner === pod.owner) subscriber.changed({ type: 'pod', pod });
    }
  }

  #resync(): void {
    for (const subscriber of this.#subscribers) subscriber.resync();
  }

  #start(pod: SimulatedPod): void {
    this.#startContainers(pod);
    this.#changed(pod);
  }

  #startContainers(pod: SimulatedPod): void {
    for (const container of pod.containers) {
      this.#run(pod, container);
      if (container.role === 'once') this.#end(pod, container, 0);
    }
  }

  #run(pod: SimulatedPod, container: SimulatedContainer): void {
    const now = this.#clock.now();
    container.state = { running: { startedAt: secondsText(now) } };
    for (const line of pod.behaviour.prints ?? []) {
      container.log ??= createContainerLog();
      appendLine(container.log, now, line);
    }
    const exit = pod.behaviour.exit;
    if (exit === undefined || container.role === 'once') return;
    container.timer = this.#clock.setTimer(exit.afterMs, () => this.#exited(pod, container, exit.code));
  }

  /** A container ended by itself. */
  #exited(pod: SimulatedPod, container: SimulatedContainer, code: number): void {
    container.timer?.cancel();
    this.#end(pod, container, code);
    const policy = container.role === 'sidecar' ? 'Always' : pod.restartPolicy;
    if (!pod.deleting && (policy === 'Always' || (policy === 'OnFailure' && code !== 0))) {
      const crashes = container.crashes++;
      if (crashes === 0) this.#restart(pod, container);
      else {
        const backOffMs = Math.min(FIRST_BACK_OFF_MS * 2 ** (crashes - 1), LONGEST_BACK_OFF_MS);
        container.lastState = container.state;
        const message = `back-off ${backOffMs / 1000}s restarting failed container=${container.name}`;
        container.state = { waiting: { reason: 'CrashLoopBackOff', message } };
        container.timer = this.#clock.setTimer(backOffMs, () => {
          this.#restart(pod, container);
          this.#changed(pod);
        });
      }
    }
    this.#changed(pod);
  }

  #restart(pod: SimulatedPod, container: SimulatedContainer): void {
    if (container.state.terminated !== undefined) container.lastState = container.state;
    container.restartCount++;
    container.previousLog = container.log;
    container.log = undefined;
    this.#run(pod, container);
  }

  #end(pod: SimulatedPod, container: SimulatedContainer, code: number): void {
    const startedAt = container.state.running?.startedAt;
    const terminated: ContainerState['terminated'] = {
      exitCode: code,
      reason: code === 0 ? 'Completed' : 'Error',
      finishedAt: secondsText(this.#clock.now()),
      containerID: containerID(pod, container),
      ...(startedAt === undefined ? {} : { startedAt }),
    };
    container.state = { terminated };
    if (container.log !== undefined) endLog(container.log);
  }

  #endAll(pod: SimulatedPod, code: number): void {
    for (const container of pod.containers) {
      container.timer?.cancel();
      if (container.state.running !== undefined) this.#end(pod, container, code);
    }
    pod.stop?.cancel();
    pod.view = undefined;
  }

  #stop(pod: SimulatedPod, code: number): void {
    if (!isRunning(pod)) return;
    this.#endAll(pod, code);
    this.#changed(pod);
  }

  #remove(pod: SimulatedPod): BackendPod {
    const last = this.#view(pod);
    this.#deleted.add(pod.ref.uid);
    const pods = this.#pods.get(pod.owner);
    pods?.delete(pod.ref.uid);
    if (pods?.size === 0) this.#pods.delete(pod.owner);
    this.#addresses.release(pod.address);
    for (const subscriber of this.#subscribers) {
      if (subscriber.owner === pod.owner) subscriber.changed({ type: 'gone', last });
    }
    return last;
  }
}

/** The API keeps whole seconds; a fraction would make a status differ from what is read back. */
function secondsText(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}

/** FNV-1a: where in the range a zone's addresses begin. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}
