/** A provider from outside this project, by file or npm package: found, and looked over before anything is made of it. */
import { createRequire } from 'node:module';
import { isAbsolute, join } from 'node:path';
import { cwd } from 'node:process';
import { pathToFileURL } from 'node:url';
import { messageOf } from '../errors.ts';
import type { Capabilities, Provider, ProviderModule } from './contract.ts';
import { CONTRACT_VERSION } from './contract-version.ts';

/** Where it is. `package` is looked for beside Zonelet, then from the working directory. */
export type Outside = { readonly moduleFile: string } | { readonly package: string };

export type FoundModule =
  | { readonly ok: true; readonly module: ProviderModule }
  /** `option`: which of the configuration's options is to be mended. */
  | { readonly ok: false; readonly option: 'moduleFile' | 'package' | 'kind'; readonly message: string };

const PACKAGE_NAME = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

export async function findOutsideModule(kind: string, from: Outside): Promise<FoundModule> {
  const option = 'moduleFile' in from ? 'moduleFile' : 'package';
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = await ('moduleFile' in from ? importFile(from.moduleFile) : importPackage(from.package));
  } catch (error) {
    return { ok: false, option, message: messageOf(error) };
  }
  const given = exported.provider;
  if (!isObject(given)) {
    const there = Object.keys(exported).join(', ');
    return { ok: false, option, message: `the module exports no "provider" (it exports: ${there || 'nothing'})` };
  }
  if (given.contract !== CONTRACT_VERSION) {
    const its = given.contract === undefined ? 'none' : JSON.stringify(given.contract);
    const message = `the module's provider is written for contract ${its}; this Zonelet has contract ${CONTRACT_VERSION}`;
    return { ok: false, option, message };
  }
  const missing = ['parseOptions', 'create'].filter((name) => typeof given[name] !== 'function');
  if (missing.length > 0) {
    return { ok: false, option, message: `the module's provider lacks the methods ${missing.join(' and ')}` };
  }
  if (given.kind !== kind) {
    const message = `the module's provider is of kind ${JSON.stringify(given.kind)}, not ${JSON.stringify(kind)}`;
    return { ok: false, option: 'kind', message };
  }
  return { ok: true, module: given as unknown as ProviderModule };
}

async function importFile(file: string): Promise<Readonly<Record<string, unknown>>> {
  if (!isAbsolute(file)) throw new Error('must be the path of a module');
  return (await import(pathToFileURL(file).href)) as Readonly<Record<string, unknown>>;
}

async function importPackage(name: string): Promise<Readonly<Record<string, unknown>>> {
  if (!PACKAGE_NAME.test(name)) throw new Error('must be the name of an npm package, such as zonelet-provider-acme');
  try {
    return (await import(name)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    // What is there and fails is not looked for elsewhere.
    if (!(isObject(error) && error.code === 'ERR_MODULE_NOT_FOUND' && messageOf(error).includes(`'${name}'`)))
      throw error;
  }
  let file: string;
  try {
    file = createRequire(join(cwd(), 'zonelet')).resolve(name);
  } catch (error) {
    throw new Error(`there is no package ${name} beside Zonelet or in ${cwd()}`, { cause: error });
  }
  return await importFile(file);
}

const METHODS = ['validate', 'create', 'update', 'delete', 'get', 'list', 'watch', 'zoneReports'] as const;
/** Each says with a capability of its name whether it is served. */
const OFFERED = ['logs', 'exec', 'attach', 'portForward', 'stats'] as const satisfies readonly (keyof Capabilities)[];
const FLAGS = [...OFFERED, 'initContainers', 'probes', 'lifecycleHooks'] as const;

/** What is wrong with a provider that a module has made; nothing when it can be used. */
export function providerFaults(provider: unknown, kind: string, zone: string): readonly string[] {
  if (!isObject(provider)) return ['it is no object'];
  const faults: string[] = [];
  const has = (name: string | symbol): boolean =>
    typeof (provider as Record<string | symbol, unknown>)[name] === 'function';
  for (const name of METHODS) if (!has(name)) faults.push(`it lacks the method ${name}`);
  if (!has(Symbol.asyncDispose)) faults.push('it lacks the method [Symbol.asyncDispose]');
  if (provider.kind !== kind) faults.push(`its kind is ${JSON.stringify(provider.kind)}, not ${JSON.stringify(kind)}`);
  if (provider.zone !== zone) faults.push(`its zone is ${JSON.stringify(provider.zone)}, not ${JSON.stringify(zone)}`);
  const { capabilities } = provider as Partial<Provider>;
  if (!isObject(capabilities)) return [...faults, 'it has no capabilities'];
  for (const name of FLAGS) {
    if (typeof capabilities[name] !== 'boolean') faults.push(`capabilities.${name} must be true or false`);
  }
  for (const name of OFFERED) {
    if (capabilities[name] === true && !has(name))
      faults.push(`capabilities.${name} is true and there is no method ${name}`);
  }
  if (!['epoch', 'none'].includes(String(capabilities.fence)))
    faults.push('capabilities.fence must be "epoch" or "none"');
  if (capabilities.fence === 'epoch' && !has('claim'))
    faults.push('capabilities.fence is "epoch" and there is no method claim');
  if (!['backend', 'none'].includes(String(capabilities.restarts))) {
    faults.push('capabilities.restarts must be "backend" or "none"');
  }
  for (const name of ['volumes', 'update'] as const) {
    if (!Array.isArray(capabilities[name])) faults.push(`capabilities.${name} must be a list`);
  }
  return faults;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
