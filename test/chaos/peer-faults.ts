/** What happens between the replicas. */
import type { Replica } from '../../src/commands/demo/stage.ts';
import { zonelet } from '../scenarios/support/command.ts';
import { type Fault, type Field, pause, seconds, watchZonesOf } from './field.ts';

/** The replica behind the proxy, which is given a zone when it leads none. */
async function leaderBehindProxy({ play, dice, peer }: Field): Promise<Replica> {
  const victim = play.stage.replicas.find(({ name }) => name === peer.replica);
  if (victim === undefined) throw new Error(`there is no ${peer.replica}`);
  const leads = (): boolean => play.observer.zones().some(({ leader }) => leader === victim.name);
  if (!leads()) {
    const { name } = dice.pick(play.stage.zones);
    const { status, err } = await zonelet(play, 'handover', '--zone', name, '--to', victim.name);
    if (status !== 0)
      throw new Error(`zonelet handover --zone ${name} --to ${victim.name} ended with ${status}: ${err}`);
    await play.until(`${victim.name} to lead`, leads);
  }
  return victim;
}

/** What a proxy, a mesh or a firewall can do: the others are told of a death that is none. */
const deniedALeader: Fault = {
  name: 'a proxy denies a living leader',
  async happen(field) {
    const victim = await leaderBehindProxy(field);
    const zones = watchZonesOf(field, victim);
    await field.peer.proxy.refuse(true);
    try {
      return await zones.taken();
    } finally {
      await field.peer.proxy.refuse(false);
    }
  },
};

/** What keeps a death from being seen at once; nothing else may come of it. */
const cutFromPeers: Fault = {
  name: 'a leader cut off from the other replicas',
  async happen(field) {
    const victim = await leaderBehindProxy(field);
    const forMs = field.dice.between(500, 8_000);
    field.peer.proxy.cut(true);
    try {
      await pause(field, forMs);
    } finally {
      field.peer.proxy.cut(false);
    }
    return `${victim.name} for ${seconds(forMs)}`;
  },
};

export const PEER_FAULTS: readonly Fault[] = [deniedALeader, cutFromPeers];
