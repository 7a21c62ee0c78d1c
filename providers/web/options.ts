/** The options of `provider: { kind: web }` in the configuration. */
import type { ProviderModule } from '../../src/provider/contract.ts';

export interface WebOptions {
  /** The backend's address, such as `http://127.0.0.1:7101`; a path in it comes before the protocol's. */
  readonly url: string;
  /** Holds the bearer token. Read again when it changes. */
  readonly tokenFile?: string;
  /** CA certificates (PEM) that the backend's certificate is verified with. @defaultValue those of Node */
  readonly caFile?: string;
  /** Client certificate (PEM), with `keyFile`. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

const FILES = ['tokenFile', 'caFile', 'certFile', 'keyFile'] as const;
const KNOWN = ['kind', 'url', ...FILES];

export const parseOptions: ProviderModule<WebOptions>['parseOptions'] = (raw) => {
  const problems: { path: string[]; message: string }[] = [];
  const find = (key: string, message: string): void => void problems.push({ path: [key], message });
  const given = typeof raw === 'object' && raw !== null ? (raw as Readonly<Record<string, unknown>>) : {};
  for (const key of Object.keys(given)) {
    if (!KNOWN.includes(key)) find(key, `unknown option (known: ${KNOWN.join(', ')})`);
  }
  const url = urlProblem(given.url);
  if (url !== undefined) find('url', url);
  const files: { [K in (typeof FILES)[number]]?: string } = {};
  for (const key of FILES) {
    const value = given[key];
    if (value === undefined) continue;
    if (typeof value === 'string' && value !== '') files[key] = value;
    else find(key, 'must be the path of a file');
  }
  if (files.certFile !== undefined && given.keyFile === undefined) find('certFile', 'needs keyFile beside it');
  if (files.keyFile !== undefined && given.certFile === undefined) find('keyFile', 'needs certFile beside it');
  if (url === undefined && String(given.url).toLowerCase().startsWith('http:')) {
    for (const key of ['caFile', 'certFile', 'keyFile'] as const) {
      if (files[key] !== undefined) find(key, 'has a meaning only with an https url');
    }
  }
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, options: { url: String(given.url), ...files } };
};

function urlProblem(value: unknown): string | undefined {
  if (value === undefined) return 'missing: the address of the backend, such as http://127.0.0.1:7101';
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return 'must be an http or https address such as http://127.0.0.1:7101';
  }
  // It would end up in messages and logs.
  if (url.username !== '' || url.password !== '') return 'must hold no user and password; use tokenFile';
  if (url.search !== '' || url.hash !== '') return 'must have no query and no fragment';
  return undefined;
}
