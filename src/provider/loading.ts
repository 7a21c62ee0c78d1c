/** From a provider's name in the configuration to its module: the one dynamic import, so that only what is used is loaded. */
import { ZoneletError } from '../errors.ts';
import type { Provider, ProviderContext, ProviderModule } from './contract.ts';

/** Literal paths, so that the published JavaScript gets them rewritten and checkers see them. */
const BUILT_IN: Readonly<Record<string, () => Promise<{ readonly provider: unknown }>>> = {
  simulated: () => import('../../providers/simulated/provider.ts'),
  web: () => import('../../providers/web/provider.ts'),
};

export const PROVIDER_KINDS: readonly string[] = Object.keys(BUILT_IN);

export interface ProviderProblem {
  /** Inside the configuration's `provider` object. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type LoadedProvider =
  | { readonly ok: true; create(context: ProviderContext): Provider }
  | { readonly ok: false; readonly problems: readonly ProviderProblem[] };

/**
 * Finds the module that `raw.kind` names and has it check the options. Nothing is contacted, nothing is made yet:
 * a wrong configuration is a result, not an error.
 */
export async function loadProvider(raw: {
  readonly kind: string;
  readonly [option: string]: unknown;
}): Promise<LoadedProvider> {
  const load = Object.hasOwn(BUILT_IN, raw.kind) ? BUILT_IN[raw.kind] : undefined;
  if (load === undefined)
    return {
      ok: false,
      problems: [{ path: ['kind'], message: unknownKind(raw.kind) }],
    };
  // Each module's options are its own business: what it parsed goes back to it and nowhere else.
  const module = (await load()).provider as ProviderModule;
  const parsed = module.parseOptions(raw);
  if (!parsed.ok) return parsed;
  return {
    ok: true,
    create: (context) => module.create(parsed.options, context),
  };
}

/** For those who have had the configuration checked: a problem is an error here. */
export async function createProvider(
  raw: { readonly kind: string; readonly [option: string]: unknown },
  context: ProviderContext,
): Promise<Provider> {
  const loaded = await loadProvider(raw);
  if (loaded.ok) return loaded.create(context);
  const problems = loaded.problems.map(({ path, message }) => `provider.${path.join('.')}: ${message}`);
  throw new ZoneletError('InvalidInput', problems.join('; '));
}

function unknownKind(kind: string): string {
  const known = `known kinds: ${PROVIDER_KINDS.join(', ')}`;
  const nearest = PROVIDER_KINDS.map((name) => ({
    name,
    distance: editDistance(kind.toLowerCase(), name),
  })).sort((a, b) => a.distance - b.distance)[0];
  // More than half of it different is no misspelling.
  const hint =
    nearest !== undefined && nearest.distance <= nearest.name.length / 2 ? `, did you mean ${nearest.name}?` : '';
  return `unknown provider kind ${JSON.stringify(kind)}${hint === '' ? '' : hint} (${known})`;
}

/** Levenshtein's: insertions, deletions and replacements. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
