/** I11: after calm (hand-back delay and cooldown), every zone is led by its home replica; zones per replica differ by at most one. */
import type { CreateChecker } from './checker.ts';
import { leadersOf } from './leaders.ts';

/** A home replica is healthy for a minute, a cooldown lasts five. */
const SETTLED_MS = 420_000;

export const atHome: CreateChecker = (world, report) => ({
  async atEnd() {
    const { plan, zones, replicas } = world;
    if (plan.lengthMs - plan.calmFromMs < SETTLED_MS) return;
    const leaders = await leadersOf(world);
    const led = new Map(replicas.map(({ name }) => [name, 0]));
    for (const { name } of zones) {
      const [leader = 'nobody'] = leaders.get(name) ?? [];
      led.set(leader, (led.get(leader) ?? 0) + 1);
      const homes = replicas.filter(({ config }) => config.replica.homeZone === name).map((replica) => replica.name);
      if (homes.length > 0 && !homes.includes(leader))
        report(`${name} is led by ${leader}, not by ${homes.join(' or ')}`);
    }
    const counts = [...led.values()];
    // More replicas than zones at home in one: the second of a zone leads none.
    if (Math.max(...counts) - Math.min(...counts) > 1)
      report(`zones are unevenly spread: ${[...led].map(([name, count]) => `${name} leads ${count}`).join(', ')}`);
  },
});
