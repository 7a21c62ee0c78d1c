/** Loaded into a worker before anything else: puts the mutation that `SIMULATION_MUTATION` names into the source as it is read. */
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { MUTATIONS } from './mutations.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const name = process.env.SIMULATION_MUTATION;
const mutation = MUTATIONS.find((one) => one.name === name);
if (mutation === undefined) throw new Error(`there is no mutation "${name}"`);

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const file = url.startsWith('file:') ? fileURLToPath(url).slice(ROOT.length) : '';
    const patches = mutation.patches.filter((patch) => patch.file === file);
    if (patches.length === 0) return loaded;
    let source =
      typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString('utf8');
    for (const { from, to } of patches) {
      if (source.split(from).length !== 2)
        throw new Error(
          `mutation "${name}": ${file} has this text not exactly once, let the mutation follow the rule: ${from}`,
        );
      source = source.replace(from, () => to);
    }
    return { ...loaded, source };
  },
});
