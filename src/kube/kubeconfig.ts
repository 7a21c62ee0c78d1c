/**
 * Credentials from a kubeconfig. A child process reads it with client-node, exec plugins included, and takes the 86 MB
 * that this costs with it when it ends; it is asked again shortly before what it gave runs out, and after a 401.
 */
import { readFile } from 'node:fs/promises';
import { runInChild } from '../child-task.ts';
import { type Clock, deadline } from '../clock.ts';
import { messageOf, ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Identity, IdentitySource } from './identity.ts';
import { createRenewal, type Issued } from './renewal.ts';

export interface ResolveRequest {
  readonly files: readonly string[];
}

export interface Resolved {
  readonly server: string;
  readonly namespace?: string;
  readonly identity: Identity;
  /** Absolute path of a file with the token, to be read again each minute. */
  readonly tokenFile?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs?: number;
}

export type ResolveResult =
  | Resolved
  /** Something in a file is wrong. */
  | { readonly mistake: string }
  /** The files are right; a plugin did not give credentials. */
  | { readonly refusal: string };

export interface KubeconfigOptions {
  /** More than one: merged, as $KUBECONFIG has it. */
  readonly files: readonly string[];
  /** Environment of exec plugins. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Plugins may open a browser or ask another service. */
const RESOLVE_TIMEOUT_MS = 60_000;

export interface Kubeconfig {
  readonly server: string;
  readonly namespace: string | undefined;
  readonly identity: IdentitySource;
}

/** Throws `InvalidInput` when the file has a mistake, `Unauthorized` when a plugin gives no credentials. */
export async function loadKubeconfig(options: KubeconfigOptions): Promise<Kubeconfig> {
  const { clock, log } = options;
  let resolved = await resolveInChild(options);
  const { server, namespace } = resolved;
  const identity = createRenewal({
    first: await withToken(resolved),
    async renew(refused) {
      // A token in a file is all that changes without a refusal where there is one.
      if (resolved.tokenFile === undefined || refused) resolved = await resolveInChild(options);
      return await withToken(resolved);
    },
    clock,
    log,
  });
  return { server, namespace, identity };
}

/** As client-go: a token in a file is read again each minute. */
const TOKEN_FILE_MS = 60_000;

async function withToken(resolved: Resolved): Promise<Issued> {
  const { identity, tokenFile, expiresAtMs } = resolved;
  if (tokenFile === undefined) return { identity, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
  let token: string;
  try {
    token = (await readFile(tokenFile, 'utf8')).trim();
  } catch (cause) {
    throw new ZoneletError('InvalidInput', `tokenFile: ${messageOf(cause)}`, { cause });
  }
  return { identity: { ...identity, authorization: `Bearer ${token}` }, goodForMs: TOKEN_FILE_MS };
}

async function resolveInChild({ files, env, clock }: KubeconfigOptions): Promise<Resolved> {
  using limit = deadline(clock, RESOLVE_TIMEOUT_MS);
  const result = await runInChild<ResolveRequest, ResolveResult>(
    { files },
    {
      entry: './kubeconfig-child',
      from: import.meta.url,
      what: `reading ${files.join(', ')}`,
      env,
      signal: limit.signal,
    },
  );
  if ('mistake' in result) throw new ZoneletError('InvalidInput', `kubeconfig ${result.mistake}`);
  if ('refusal' in result) throw new ZoneletError('Unauthorized', `kubeconfig ${result.refusal}`);
  return result;
}
