/** One pod under the lifecycle engine, on a runtime that runs nothing and writes down what it is asked, on virtual time. */
import { Duplex } from 'node:stream';
import type { Pod } from '../../../src/kube/types.ts';
import type { RunEnd } from '../../../src/lifecycle/end.ts';
import { createLife, type Life, type RunListener } from '../../../src/lifecycle/life.ts';
import type { Reach } from '../../../src/lifecycle/reach.ts';
import { type ContainerRecord, type LifeRecord, newLifeRecord, type PodSpec } from '../../../src/lifecycle/record.ts';
import { containerView, failureView } from '../../../src/lifecycle/view.ts';
import { seededRandom, VirtualClock } from '../../support/virtual-clock.ts';

export type Spec = Partial<NonNullable<Pod['spec']>>;

export class LifeStage {
  readonly clock = new VirtualClock();
  spec: PodSpec;
  record: LifeRecord;
  readonly asked: string[] = [];
  readonly told: string[] = [];
  readonly listeners = new Map<string, RunListener>();
  /** Commands that hooks and probes have run and that have not ended. */
  readonly commands: { readonly text: string; readonly done: (exitCode: number, output?: string) => void }[] = [];
  /** What a command answers at once; undefined: it waits for `finish`. */
  answer: ((text: string) => number | undefined) | undefined;
  /** Every command, with the second at which it was run. */
  readonly ran: string[] = [];
  /** Ports that take connections. */
  readonly ports = new Set<number>();
  life: Life;

  readonly #seed: number;

  constructor(spec: Spec, seed = 7) {
    this.#seed = seed;
    this.spec = { containers: [], ...spec };
    this.record = newLifeRecord(this.spec, this.clock.now());
    this.life = this.#begin();
  }

  #begin(): Life {
    const ask = (what: string) => (container: ContainerRecord) =>
      void this.asked.push(
        `${what} ${container.name}${container.restartCount === 0 ? '' : `#${container.restartCount}`}`,
      );
    const reach: Reach = {
      dial: async (port) => {
        if (this.ports.has(port)) return new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
        throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      },
      exec: (container, command, signal) => {
        const text = `${container}: ${command.join(' ')}`;
        this.ran.push(`${this.seconds} ${text}`);
        const now = this.answer?.(text);
        if (now !== undefined) return Promise.resolve({ exitCode: now, output: `exit ${now}` });
        return new Promise((resolve, reject) => {
          const entry = {
            text,
            done: (exitCode: number, output = '') => {
              this.commands.splice(this.commands.indexOf(entry), 1);
              resolve({ exitCode, output });
            },
          };
          this.commands.push(entry);
          signal.addEventListener('abort', () => {
            const at = this.commands.indexOf(entry);
            if (at >= 0) this.commands.splice(at, 1);
            reject(new Error('aborted'));
          });
        });
      },
    };
    return createLife({
      record: this.record,
      spec: () => this.spec,
      address: '10.0.0.1',
      runtime: {
        start: (container, listener) => {
          ask('start')(container);
          this.listeners.set(container.name, listener);
        },
        resume: (container, listener) => {
          ask('resume')(container);
          this.listeners.set(container.name, listener);
          return 'found';
        },
        stop: ask('stop'),
        kill: ask('kill'),
        containerID: ({ name, restartCount }) => `test://${name}/${restartCount}`,
        reach,
      },
      clock: this.clock,
      random: seededRandom(this.#seed),
      keep() {},
      changed() {},
      tell: ({ type, reason, message }) => void this.told.push(`${type} ${reason}: ${message}`),
    });
  }

  /** How often this command was run. */
  commandsOf(command: string): number {
    return this.ran.filter((line) => line.endsWith(` ${command}`)).length;
  }

  get seconds(): number {
    return this.clock.monotonic() / 1000;
  }

  begin(): this {
    this.life.advance();
    return this;
  }

  /** As after a SIGKILL: what is kept, and nothing else. */
  restart(): void {
    this.life.leave();
    this.record = structuredClone(this.record);
    this.life = this.#begin();
    this.life.resume();
  }

  end(container: string, exitCode = 0, more: Partial<RunEnd> = {}): void {
    this.listeners.get(container)?.ended({ exitCode, finishedAtMs: this.clock.now(), ...more });
  }

  /** The command that waits ends. */
  async finish(text: string, exitCode = 0, output = ''): Promise<void> {
    const command = this.commands.find((one) => one.text === text);
    if (command === undefined) throw new Error(`${text} does not run; ${this.commands.length} others do`);
    command.done(exitCode, output);
    await this.clock.advance(0);
  }

  async pass(seconds: number): Promise<void> {
    await this.clock.advance(seconds * 1000);
  }

  /** What the runtime was asked since the last time. */
  take(): string[] {
    return this.asked.splice(0);
  }

  /** What people were told since the last time. */
  heard(): string[] {
    return this.told.splice(0);
  }

  view(name: string) {
    const container = this.record.containers.find((one) => one.name === name);
    if (container === undefined) throw new Error(`there is no ${name}`);
    return containerView(container, this.record, this.spec, 'p_n(u)');
  }

  get failure() {
    return failureView(this.record);
  }

  /** Of every container, in short. */
  get states(): Record<string, string> {
    return Object.fromEntries(
      this.record.containers.map(({ name }) => {
        const { state, ready } = this.view(name);
        const what = state.waiting?.reason ?? (state.running ? 'running' : `exit ${state.terminated?.exitCode}`);
        return [name, ready ? `${what}, ready` : what];
      }),
    );
  }
}

export const named = (...names: string[]) => names.map((name) => ({ name, image: 'i:1' }));
export const exec = (...command: string[]) => ({ exec: { command } });
