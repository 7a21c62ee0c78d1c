/** The ways in which a zone comes to need another leader, one function each: does it, and says how long nobody led. */
import { spawn } from 'node:child_process';
import { timeTakeover } from '../../../src/commands/demo/failover.ts';
import type { Play } from '../../../src/commands/demo/play.ts';
import type { Replica, Stage } from '../../../src/commands/demo/stage.ts';
import type { History } from '../../scenarios/support/history.ts';
import { gaps } from '../../scenarios/support/leadership.ts';
import type { Links } from '../../scenarios/support/links.ts';
import type { Lab } from '../support/lab.ts';

export interface Scene {
  readonly lab: Lab;
  readonly stage: Stage;
  readonly observer: Play['observer'];
  readonly history: History;
  /** Only on a stage whose replicas have proxies. */
  readonly links: Links | undefined;
}

export interface Way {
  readonly name: string;
  /** Highest p99, in milliseconds. */
  readonly target: number;
  readonly floor: 'hand-over' | 'lease' | 'lock' | undefined;
  /** Milliseconds without a leader, for whoever watches. Undoes what it did. */
  happen(scene: Scene, victim: Replica): Promise<number>;
}

async function without({ lab, observer }: Scene, victim: Replica, act: () => void): Promise<number> {
  const zones = observer.zones().filter(({ leader }) => leader === victim.name);
  const names = zones.map(({ zone }) => zone);
  const { takeoverMs } = await timeTakeover(names, act, observer, lab.clock, lab.signal);
  return takeoverMs;
}

function ended(signal: 'SIGTERM' | 'SIGKILL') {
  return async (scene: Scene, victim: Replica): Promise<number> => {
    const { child } = victim;
    const ms = await without(scene, victim, () => child.kill(signal));
    await child.exited;
    scene.stage.replaceReplica(victim.name);
    return ms;
  };
}

async function containerRestarted(scene: Scene, victim: Replica): Promise<number> {
  const { child } = victim;
  return await without(scene, victim, () => {
    child.kill('SIGKILL');
    void child.exited.then(() => scene.stage.restart(victim.name));
  });
}

async function frozen(scene: Scene, victim: Replica): Promise<number> {
  const { child } = victim;
  const ms = await without(scene, victim, () => child.kill('SIGSTOP'));
  child.kill('SIGCONT');
  return ms;
}

async function cutOff(scene: Scene, victim: Replica): Promise<number> {
  const proxy = scene.links?.toApiServer(victim.name);
  if (proxy === undefined) throw new Error('the replicas of this stage have no proxies');
  const ms = await without(scene, victim, () => proxy.cut(true));
  proxy.cut(false);
  return ms;
}

/** From the release, as the Lease has it, to the claim: the command itself, and getting ready, is time that the old leader leads. */
async function handedOver({ lab, stage, observer, history }: Scene, victim: Replica): Promise<number> {
  const zone = observer.zones().find(({ leader }) => leader === victim.name);
  const to = stage.replicas.find(({ name }) => name !== victim.name);
  if (zone === undefined || to === undefined) throw new Error(`${victim.name} leads nothing, or is alone`);
  const args = ['handover', '--config', stage.configFile, '--zone', zone.zone, '--to', to.name];
  const [program = '', ...first] = lab.zonelet;
  const child = spawn(program, [...first, ...args], { cwd: stage.folder, stdio: ['ignore', 'ignore', 'inherit'] });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) throw new Error(`zonelet handover ended with ${status}`);
  const led = { set: stage.set, zones: [{ name: zone.zone, nodeName: zone.node }], outages: [], now: lab.clock.now() };
  let gap: number | undefined;
  await lab.until('the claim to be recorded', async () => {
    await history.caughtUp();
    const claims = gaps(history, led).filter(({ ended: how }) => how === 'claimed');
    const epoch = observer.zones().find(({ zone: name }) => name === zone.zone)?.epoch ?? 0;
    gap = claims.at(-1)?.tookMs;
    return epoch > zone.epoch && gap !== undefined;
  });
  return gap ?? Number.NaN;
}

/** With the default settings, on backends that fence epochs. */
export const WAYS: readonly Way[] = [
  { name: 'SIGTERM', target: 300, floor: 'hand-over', happen: ended('SIGTERM') },
  { name: 'handover', target: 300, floor: 'hand-over', happen: handedOver },
  { name: 'container restart', target: 1_500, floor: undefined, happen: containerRestarted },
  { name: 'SIGKILL', target: 700, floor: undefined, happen: ended('SIGKILL') },
  { name: 'SIGSTOP', target: 6_500, floor: 'lease', happen: frozen },
];

/** Needs proxies, which would slow down the others. */
export const WAYS_BY_PROXY: readonly Way[] = [{ name: 'cut network', target: 6_500, floor: 'lease', happen: cutOff }];

/** As where the backend does not fence, or the whole machine is gone: nobody but the replica itself can prove a death. */
export const WAYS_WITHOUT_PROOF: readonly Way[] = [
  { name: 'container restart without proof', target: 1_500, floor: undefined, happen: containerRestarted },
  { name: 'SIGKILL without proof', target: 6_500, floor: 'lease', happen: ended('SIGKILL') },
];

export const WAYS_BY_REDIS: readonly Way[] = [
  { name: 'Redis, SIGTERM', target: 300, floor: 'hand-over', happen: ended('SIGTERM') },
  { name: 'Redis, SIGKILL', target: 700, floor: undefined, happen: ended('SIGKILL') },
  { name: 'Redis, SIGSTOP', target: 4_500, floor: 'lock', happen: frozen },
];

export const WAYS_BY_REDIS_WITHOUT_PROOF: readonly Way[] = [
  { name: 'Redis, SIGKILL without proof', target: 4_500, floor: 'lock', happen: ended('SIGKILL') },
];
