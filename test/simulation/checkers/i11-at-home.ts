/** I11: after calm (hand-back delay and cooldown), every zone is led by its home replica; zones per replica differ by at most one. */
import { HANDOVER_OUTCOME_ANNOTATION } from '../../../src/election/names.ts';
import { readOutcome } from '../../../src/election/node-request.ts';
import type { CreateChecker } from './checker.ts';
import { leadersOf } from './leaders.ts';

/** A home replica is healthy for a minute, a cooldown lasts five. */
const SETTLED_MS = 420_000;

export const atHome: CreateChecker = (world, report) => ({
  async atEnd() {
    const { plan, zones, replicas, history } = world;
    /** Where somebody has put it it stays until its leader changes for another reason. */
    const isPutByHand = (nodeName: string, leader: string | undefined): boolean => {
      const outcome = readOutcome(history.object('nodes', nodeName), HANDOVER_OUTCOME_ANNOTATION);
      return outcome !== undefined && outcome.refused === undefined && outcome.to === leader;
    };
    if (plan.lengthMs - plan.calmFromMs < SETTLED_MS) return;
    const leaders = await leadersOf(world);
    const byHand = zones.filter(({ name, nodeName }) => isPutByHand(nodeName, leaders.get(name)?.[0]));
    const led = new Map(replicas.map(({ name }) => [name, 0]));
    for (const zone of zones) {
      const { name } = zone;
      const [leader = 'nobody'] = leaders.get(name) ?? [];
      led.set(leader, (led.get(leader) ?? 0) + 1);
      const homes = replicas.filter(({ config }) => config.replica.homeZone === name).map((replica) => replica.name);
      if (byHand.includes(zone)) continue;
      if (homes.length > 0 && !homes.includes(leader))
        report(`${name} is led by ${leader}, not by ${homes.join(' or ')}`);
    }
    const counts = [...led.values()];
    // More replicas than zones at home in one: the second of a zone leads none.
    if (byHand.length === 0 && Math.max(...counts) - Math.min(...counts) > 1)
      report(`zones are unevenly spread: ${[...led].map(([name, count]) => `${name} leads ${count}`).join(', ')}`);
  },
});
