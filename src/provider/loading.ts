/** From a provider's name in the configuration to its module: loaded only when it is used. Those from outside are in `outside-module.ts`. */
import { messageOf, ZoneletError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { Provider, ProviderContext, ProviderModule } from './contract.ts';
import { findOutsideModule, type Outside, providerFaults } from './outside-module.ts';

/** Literal paths, so that the published JavaScript gets them rewritten and checkers see them. */
const BUILT_IN: Readonly<Record<string, () => Promise<{ readonly provider: unknown }>>> = {
  simulated: () => import('../../providers/simulated/provider.ts'),
  web: () => import('../../providers/web/provider.ts'),
  docker: () => import('../../providers/docker/provider.ts'),
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

/** Options of the configuration's `provider` object that say where a provider from outside is; not handed to it. */
const WHERE = ['moduleFile', 'package'] as const;

/**
 * Finds the module that `raw.kind` names, or that `raw.moduleFile` or `raw.package` leads to, and has it check the
 * options. Nothing is contacted, nothing is made yet: a wrong configuration is a result, not an error.
 */
export async function loadProvider(raw: {
  readonly kind: string;
  readonly [option: string]: unknown;
}): Promise<LoadedProvider> {
  const found = await findModule(raw);
  if (!found.ok) return found;
  const { module } = found;
  const options = Object.fromEntries(Object.entries(raw).filter(([name]) => !WHERE.some((each) => each === name)));
  let parsed: ReturnType<ProviderModule['parseOptions']>;
  try {
    // Each module's options are its own business: what it parsed goes back to it and nowhere else.
    parsed = module.parseOptions(options);
  } catch (error) {
    return problem('kind', `the provider could not look at its options: ${messageOf(error)}`);
  }
  if (!parsed.ok) return parsed;
  const { options: good } = parsed;
  return {
    ok: true,
    create(context) {
      const provider: Provider = module.create(good, context);
      const faults = providerFaults(provider, raw.kind, context.zone);
      if (faults.length === 0) return provider;
      throw new ZoneletError('InvalidInput', `the provider of kind ${raw.kind} cannot be used: ${faults.join('; ')}`);
    },
  };
}

type Found = { readonly ok: true; readonly module: ProviderModule } | (LoadedProvider & { readonly ok: false });

async function findModule(raw: { readonly kind: string; readonly [option: string]: unknown }): Promise<Found> {
  const { kind, moduleFile, package: name } = raw;
  const load = Object.hasOwn(BUILT_IN, kind) ? BUILT_IN[kind] : undefined;
  const where = WHERE.filter((option) => raw[option] !== undefined);
  if (where.length === 0) {
    if (load === undefined) return problem('kind', unknownKind(kind));
    return { ok: true, module: (await load()).provider as ProviderModule };
  }
  if (load !== undefined) return problem(where[0] ?? 'kind', `${kind} is built in: it comes from no other place`);
  if (where.length > 1) return problem('package', 'give either moduleFile or package');
  let from: Outside;
  if (typeof moduleFile === 'string') from = { moduleFile };
  else if (typeof name === 'string') from = { package: name };
  else return problem(where[0] ?? 'kind', 'must be text');
  const found = await findOutsideModule(kind, from);
  return found.ok ? found : problem(found.option, found.message);
}

function problem(option: string, message: string): LoadedProvider & { readonly ok: false } {
  return { ok: false, problems: [{ path: [option], message }] };
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
  const meant = nearest(kind, PROVIDER_KINDS);
  const hint = meant === undefined ? '' : `, did you mean ${meant}?`;
  const known = `known kinds: ${PROVIDER_KINDS.join(', ')}; others need moduleFile or package`;
  return `unknown provider kind ${JSON.stringify(kind)}${hint} (${known})`;
}
