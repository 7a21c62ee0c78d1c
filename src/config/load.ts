/**
 * From a configuration file to a `Config`: read, references replaced, checked as a whole, defaults filled in, paths made
 * absolute. Either everything is right or a `ConfigError` names every mistake. Nothing is created and nobody is asked.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { messageOf } from '../errors.ts';
import type { Config } from './config.ts';
import { formatPath, readDocument, type YamlDocument } from './document.ts';
import { explain, type Finding, valueAt, wrongValue } from './explain.ts';
import { ConfigError, type Problem } from './problem.ts';
import type { Variables } from './reference.ts';
import { hostReplica, type RawProvider, resolveConfig } from './resolve.ts';
import { checkRules, isRelativePathOption } from './rule.ts';
import { API_VERSION, KIND, schema } from './schema.ts';
import { DNS_SUBDOMAIN } from './syntax.ts';

/** What a provider's module says of the `provider` object of a zone. `path` is inside that object. */
export type CheckProvider = (raw: { readonly kind: string; readonly [option: string]: unknown }) => Promise<
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly problems: readonly { readonly path: readonly (string | number)[]; readonly message: string }[];
    }
>;

/** What the command line says instead of the file. */
export interface ConfigOverrides {
  readonly replica?: string | undefined;
  readonly homeZone?: string | undefined;
  readonly kubeletPort?: number | undefined;
  readonly httpPort?: number | undefined;
}

export interface LoadOptions {
  /** The file, as the user wrote it: messages name it so. */
  readonly file: string;
  /** What a relative `file` is relative to. */
  readonly cwd: string;
  /** Values of `${VAR}`; `HOME` is what `~/` means. */
  readonly env: Variables;
  /** The replica's name when nothing else gives it one. */
  readonly hostname: string;
  readonly overrides?: ConfigOverrides;
  readonly checkProvider: CheckProvider;
}

const OVERRIDES: readonly { key: keyof ConfigOverrides; path: readonly [string, string]; flag: string }[] = [
  { key: 'replica', path: ['replica', 'name'], flag: '--replica' },
  { key: 'homeZone', path: ['replica', 'homeZone'], flag: '--home-zone' },
  { key: 'kubeletPort', path: ['kubelet', 'port'], flag: '--kubelet-port' },
  { key: 'httpPort', path: ['http', 'port'], flag: '--http-port' },
];

/** Throws `ConfigError`. */
export async function loadConfig(options: LoadOptions): Promise<Config> {
  const { file: source, overrides = {} } = options;
  const file = resolve(options.cwd, source);
  const document = readDocument(await readText(file, source), source, options.env);
  const problems: Problem[] = [...document.problems];
  if (document.value === undefined) throw new ConfigError(problems);

  const flags = new Map<string, string>();
  const raw = withOverrides(withoutNulls(document.value), overrides, flags);
  // A reference that could not be replaced is one mistake, not two.
  const unread = new Set(document.problems.map(({ path }) => path).filter((path) => path !== ''));
  const add = (finding: Finding): void => {
    const problem = placed(finding, document, source, flags);
    if (problem.source !== source || !unread.has(problem.path)) problems.push(problem);
  };

  const stranger = checkIdentity(raw);
  if (stranger.length > 0) {
    // What the rest of a file of another kind says means nothing here.
    stranger.forEach(add);
    throw new ConfigError(problems);
  }
  const parsed = schema.safeParse(raw);
  if (!parsed.success) explain(parsed.error.issues, raw, schema).forEach(add);
  checkRules(raw).forEach(add);
  const rawProviders = resolveProviders(raw, dirname(file));
  for (const finding of await checkProviders(rawProviders, options.checkProvider)) add(finding);
  if (parsed.success && parsed.data.replica.name === undefined && hostReplica(options.hostname) === undefined) {
    const allowed = `${DNS_SUBDOMAIN.allowed}; the host name "${options.hostname}" is none`;
    add({ path: ['replica', 'name'], message: wrongValue(undefined, allowed) });
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(unique(problems));
  return resolveConfig(parsed.data, { ...options, file, providers: rawProviders });
}

async function readText(file: string, source: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reasons: Record<string, string> = {
      ENOENT: 'there is no such file',
      EISDIR: 'this is a directory, allowed: a YAML file',
      EACCES: 'no permission to read this file',
    };
    throw new ConfigError([
      { source, path: '', message: reasons[code ?? ''] ?? `cannot be read: ${code ?? messageOf(error)}` },
    ]);
  }
}

/** A key without a value (`uid: ${POD_UID:-}`) is as good as left out. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, each]) => (each === null ? [] : [[key, withoutNulls(each)]])),
  );
}

function withOverrides(raw: unknown, overrides: ConfigOverrides, flags: Map<string, string>): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw;
  const result: Record<string, unknown> = { ...raw };
  for (const { key, path, flag } of OVERRIDES) {
    const value = overrides[key];
    const [section, name] = path;
    const before = result[section] ?? {};
    if (value === undefined || typeof before !== 'object' || Array.isArray(before)) continue;
    result[section] = { ...before, [name]: value };
    flags.set(formatPath(path), flag);
  }
  return result;
}

function checkIdentity(raw: unknown): Finding[] {
  const wanted = `a map with apiVersion: ${API_VERSION} and kind: ${KIND}`;
  if (raw === null) return [{ path: [], message: `the file is empty, allowed: ${wanted}` }];
  if (typeof raw !== 'object' || Array.isArray(raw)) return [{ path: [], message: wrongValue(raw, wanted) }];
  const expected = { apiVersion: API_VERSION, kind: KIND };
  return Object.entries(expected).flatMap(([key, value]): Finding[] => {
    const found = valueAt(raw, [key]);
    return found === value ? [] : [{ path: [key], message: wrongValue(found, `"${value}"`, [value]) }];
  });
}

/** The provider object of each zone that has one with a kind, relative paths in it made absolute. */
function resolveProviders(raw: unknown, base: string): ReadonlyMap<number, RawProvider> {
  const zones = valueAt(raw, ['zones']);
  const providers = new Map<number, RawProvider>();
  if (!Array.isArray(zones)) return providers;
  zones.forEach((zone: unknown, index) => {
    const provider = valueAt(zone, ['provider']);
    if (typeof valueAt(provider, ['kind']) === 'string') providers.set(index, withPaths(provider, base) as RawProvider);
  });
  return providers;
}

function withPaths(value: unknown, base: string): unknown {
  if (Array.isArray(value)) return value.map((each) => withPaths(each, base));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      isRelativePathOption(key, each) ? resolve(base, each) : withPaths(each, base),
    ]),
  );
}

async function checkProviders(providers: ReadonlyMap<number, RawProvider>, check: CheckProvider): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [index, provider] of providers) {
    const result = await check(provider);
    if (result.ok) continue;
    for (const { path, message } of result.problems) {
      findings.push({ path: ['zones', index, 'provider', ...path], message });
    }
  }
  return findings;
}

function placed(finding: Finding, document: YamlDocument, source: string, flags: ReadonlyMap<string, string>): Problem {
  const path = formatPath(finding.path);
  const flag = flags.get(path);
  if (flag !== undefined) return { source: flag, path, message: finding.message };
  const position = finding.atKey ? document.positionOfKey(finding.path) : document.positionOf(finding.path);
  return { source, ...position, path, message: finding.message };
}

/** In the order of the file, each once: two checks of one value may say the same. */
function unique(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems
    .filter((problem) => {
      const key = JSON.stringify(problem);
      return !seen.has(key) && seen.add(key);
    })
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}
