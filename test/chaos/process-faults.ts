/** What happens to the processes of replicas, and what Kubernetes does about it. */
import type { Replica } from '../../src/commands/demo/stage.ts';
import { zonelet } from '../scenarios/support/command.ts';
import { type Fault, type Field, pause, seconds, someLeader, watchZonesOf } from './field.ts';

const killed: Fault = {
  name: 'SIGKILL, the pod is replaced',
  async happen(field) {
    const victim = someLeader(field);
    const zones = watchZonesOf(field, victim);
    victim.child.kill('SIGKILL');
    const what = await zones.taken();
    field.play.stage.replaceReplica(victim.name);
    return what;
  },
};

const containerRestarted: Fault = {
  name: 'SIGKILL, the container restarts',
  async happen(field) {
    const victim = someLeader(field);
    const zones = watchZonesOf(field, victim);
    victim.child.kill('SIGKILL');
    await victim.child.exited;
    await pause(field, field.dice.between(0, 1_000));
    field.play.stage.restart(victim.name);
    return await zones.taken();
  },
};

const frozen: Fault = {
  name: 'SIGSTOP beyond the lease, SIGCONT',
  async happen(field) {
    const victim = someLeader(field);
    const { child } = victim;
    const led = field.play.observer.zones().filter(({ leader }) => leader === victim.name);
    await field.flow.burst(field.dice.pick(led).zone);
    const zones = watchZonesOf(field, victim);
    child.kill('SIGSTOP');
    const what = await zones.taken();
    const beyondMs = field.dice.between(0, field.leaseMs);
    await pause(field, beyondMs);
    child.kill('SIGCONT');
    return `${what}, woken ${seconds(beyondMs)} later`;
  },
};

const paused: Fault = {
  name: 'SIGSTOP within the lease, SIGCONT',
  async happen(field) {
    const victim = someLeader(field);
    const { child } = victim;
    const forMs = field.dice.between(500, field.leaseMs - 1_000);
    child.kill('SIGSTOP');
    await pause(field, forMs);
    child.kill('SIGCONT');
    return `${victim.name} for ${seconds(forMs)}`;
  },
};

async function terminate(field: Field, victim: Replica): Promise<string> {
  const leads = field.play.observer.zones().some(({ leader }) => leader === victim.name);
  const zones = watchZonesOf(field, victim);
  const { child } = victim;
  child.kill('SIGTERM');
  const status = await child.exited;
  const what = leads ? await zones.taken() : `${victim.name}, which led nothing`;
  field.play.stage.replaceReplica(victim.name);
  if (status !== 0) throw new Error(`${victim.name} ended with ${status} after SIGTERM`);
  return what;
}

const terminated: Fault = {
  name: 'SIGTERM, the pod is replaced',
  happen: (field) => terminate(field, someLeader(field)),
};

const rolled: Fault = {
  name: 'rolling restart of all replicas',
  async happen(field) {
    const { play } = field;
    const done: string[] = [];
    // As a StatefulSet does: from the last to the first, each once the one before is ready.
    for (const replica of [...play.stage.replicas].reverse()) {
      done.push(await terminate(field, replica));
      await play.replicaReady(replica.name);
    }
    return done.join('; ');
  },
};

const handedOver: Fault = {
  name: 'zonelet handover',
  async happen(field) {
    const { play, dice } = field;
    const from = someLeader(field);
    const zone = play.observer.zones().find(({ leader }) => leader === from.name)?.zone ?? '';
    const to = dice.pick(play.stage.replicas.filter(({ name }) => name !== from.name)).name;
    const { status, err } = await zonelet(play, 'handover', '--zone', zone, '--to', to);
    if (status !== 0) throw new Error(`zonelet handover --zone ${zone} --to ${to} ended with ${status}: ${err}`);
    return `${zone} from ${from.name} to ${to}`;
  },
};

export const PROCESS_FAULTS: readonly Fault[] = [
  killed,
  containerRestarted,
  frozen,
  paused,
  terminated,
  rolled,
  handedOver,
];
