/**
 * Reads a kubeconfig with client-node: contexts, certificate files, tokens, exec plugins, OIDC.
 * Only the child process (`kubeconfig-child.ts`) loads this: the import takes 86 MB.
 */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { type Cluster, KubeConfig, type User } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { messageOf } from '../errors.ts';
import type { ResolveRequest, ResolveResult } from './kubeconfig.ts';

/** A mistake in a file, to be mended by whoever wrote it. */
class Mistake extends Error {}

/** What client-node's type leaves out: `User.exec`, and where an exec plugin's answer is kept. */
interface ExecSpec {
  apiVersion?: string;
  command?: string;
  env?: { name: string; value: string }[] | null;
  provideClusterInfo?: boolean;
}

interface Internals {
  readonly authenticators: readonly {
    readonly tokenCache?: Record<string, { status?: { expirationTimestamp?: string } }>;
  }[];
  applyOptions(options: HttpsOptions): Promise<void>;
}

interface HttpsOptions {
  ca?: Buffer;
  cert?: Buffer | string;
  key?: Buffer | string;
  rejectUnauthorized?: boolean;
  servername?: string;
  headers: Record<string, string>;
}

export async function resolveKubeconfig(request: ResolveRequest, env: NodeJS.ProcessEnv): Promise<ResolveResult> {
  const [first = ''] = request.files;
  try {
    return await read(
      request.files.filter((file) => request.files.length === 1 || existsSync(file)),
      env,
    );
  } catch (error) {
    if (error instanceof Mistake) return { mistake: error.message };
    return { mistake: `${first}: ${messageOf(error)}` };
  }
}

async function read(files: readonly string[], env: NodeJS.ProcessEnv): Promise<ResolveResult> {
  const config = merge(files);
  const file = files.join(', ');
  const context = config.getContextObject(config.currentContext);
  if (!config.currentContext) throw new Mistake(`${file}: current-context is not set`);
  if (context === null)
    throw new Mistake(`${file}: the context ${JSON.stringify(config.currentContext)} does not exist`);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Mistake(`${file}: the cluster ${JSON.stringify(context.cluster)} does not exist`);
  const user = config.getCurrentUser() ?? (context.user ? null : { name: '' });
  if (user === null) throw new Mistake(`${file}: the user ${JSON.stringify(context.user)} does not exist`);
  if (context.user === undefined || context.user === '') {
    config.users.push(user);
    (context as { user: string }).user = '';
  }
  check(file, cluster, user);

  const options: HttpsOptions = { headers: {} };
  const internals = config as unknown as Internals;
  prepareExec(user, cluster, dirname(files[0] ?? ''), env);
  try {
    await internals.applyOptions(options);
  } catch (error) {
    const plugin =
      user.exec !== null && user.exec !== undefined ? (user.exec as ExecSpec).command : user.authProvider?.name;
    const failure = error as NodeJS.ErrnoException;
    const ownFile = failure.code !== undefined && !(failure.syscall ?? '').startsWith('spawn');
    if (plugin === undefined || ownFile) throw error;
    if (failure.code !== undefined) throw new Mistake(`${file}: the credential plugin ${plugin}: ${failure.message}`);
    return { refusal: `${file}: the credential plugin ${plugin} failed: ${failure.message.trim()}` };
  }
  const { headers, ca, cert, key, rejectUnauthorized, servername } = options;
  const basic = user.username
    ? `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`
    : undefined;
  const authorization = headers.Authorization?.trim() ?? basic;
  if (user.exec !== null && user.exec !== undefined && authorization === undefined && cert === undefined) {
    return {
      refusal: `${file}: the credential plugin ${(user.exec as ExecSpec).command} gave neither a token nor a certificate`,
    };
  }
  const tokenFile = authorization === undefined ? tokenFileOf(files, user.name) : undefined;
  const expiries = [
    ...internals.authenticators.map((one) =>
      Date.parse(one.tokenCache?.[user.name]?.status?.expirationTimestamp ?? ''),
    ),
    tokenExpiry(authorization),
    cert === undefined ? Number.NaN : Date.parse(new X509Certificate(cert).validTo),
  ].filter((at) => !Number.isNaN(at));
  return {
    server: cluster.server,
    ...(context.namespace === undefined ? {} : { namespace: context.namespace }),
    identity: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(ca === undefined ? {} : { ca: ca.toString() }),
      ...(cert === undefined ? {} : { cert: cert.toString() }),
      ...(key === undefined ? {} : { key: key.toString() }),
      ...(rejectUnauthorized === false ? { insecureSkipTlsVerify: true } : {}),
      ...(servername === undefined ? {} : { tlsServerName: servername }),
    },
    ...(tokenFile === undefined ? {} : { tokenFile }),
    ...(expiries.length === 0 ? {} : { expiresAtMs: Math.min(...expiries) }),
  };
}

/** As kubectl merges the files of $KUBECONFIG: of two entries with the same name, and of two current contexts, the first. */
function merge(files: readonly string[]): KubeConfig {
  const merged = new KubeConfig();
  for (const file of files) {
    const one = new KubeConfig();
    try {
      one.loadFromFile(file);
    } catch (error) {
      throw new Mistake(`${file}: ${messageOf(error)}`);
    }
    for (const list of ['clusters', 'users', 'contexts'] as const) {
      const into: { name: string }[] = merged[list];
      for (const entry of one[list]) if (!into.some(({ name }) => name === entry.name)) into.push(entry);
    }
    if (!merged.currentContext && one.currentContext) merged.setCurrentContext(one.currentContext);
  }
  if (files.length === 0) throw new Mistake('none of the files in $KUBECONFIG exists');
  return merged;
}

function check(file: string, cluster: Cluster, user: User): void {
  const url = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
    throw new Mistake(`${file}: cluster ${cluster.name}: server ${JSON.stringify(cluster.server)} is no http(s) URL`);
  }
  if (cluster.proxyUrl) throw new Mistake(`${file}: cluster ${cluster.name}: proxy-url is not supported`);
  if (user.impersonateUser) throw new Mistake(`${file}: user ${user.name}: as (impersonation) is not supported`);
}

/** What client-go gives a plugin and client-node does not. Source: client-go plugin/pkg/client/auth/exec. */
function prepareExec(user: User, cluster: Cluster, directory: string, env: NodeJS.ProcessEnv): void {
  const exec = user.exec as ExecSpec | null | undefined;
  if (exec === null || exec === undefined) return;
  const { command } = exec;
  if (command?.includes('/') && !isAbsolute(command)) exec.command = resolve(directory, command);
  const info = {
    apiVersion: exec.apiVersion,
    kind: 'ExecCredential',
    spec: {
      interactive: false,
      ...(exec.provideClusterInfo === true
        ? {
            cluster: {
              server: cluster.server,
              'insecure-skip-tls-verify': cluster.skipTLSVerify,
              ...(cluster.tlsServerName ? { 'tls-server-name': cluster.tlsServerName } : {}),
              ...(cluster.caData ? { 'certificate-authority-data': cluster.caData } : {}),
              ...(!cluster.caData && cluster.caFile
                ? { 'certificate-authority-data': readFileSync(cluster.caFile).toString('base64') }
                : {}),
            },
          }
        : {}),
    },
  };
  // client-node passes the environment on only when there is something to add; the plugin needs PATH and HOME.
  exec.env = [
    ...Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [{ name, value }])),
    { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) },
    ...(exec.env ?? []),
  ];
}

/** `users[].user.tokenFile`, which client-node does not read. It is read anew by the parent, so only its path matters here. */
function tokenFileOf(files: readonly string[], name: string): string | undefined {
  for (const file of files) {
    const { users } = parse(readFileSync(file, 'utf8')) as {
      users?: { name?: string; user?: { tokenFile?: string } | null }[];
    };
    const found = users?.find((entry) => entry.name === name);
    if (found !== undefined) {
      const { tokenFile } = found.user ?? {};
      return tokenFile === undefined ? undefined : resolve(dirname(file), tokenFile);
    }
  }
  return undefined;
}

/** `exp` of a token that is a JWT. */
function tokenExpiry(authorization: string | undefined): number {
  const payload = authorization?.split('.')[1];
  if (payload === undefined) return Number.NaN;
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1000 : Number.NaN;
  } catch {
    return Number.NaN;
  }
}
