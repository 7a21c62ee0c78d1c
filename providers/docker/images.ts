/** Images on an engine: pulled by policy and with the pod's secrets, and the sandbox's own, which is made where it cannot be pulled. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hasCode, messageOf, ZoneletError } from '../../src/errors.ts';
import type { PullSecret, ReadOptions } from '../../src/provider/contract.ts';
import type { ImageDetails } from './api.ts';
import type { Engine } from './engine.ts';
import { DEFAULT_SANDBOX_IMAGE, type DockerOptions } from './options.ts';
import { tar } from './tar.ts';

/** A pull takes as long as it takes while it moves; this ends one that does not, in milliseconds. */
const PULL_BEGIN_MS = 60_000;

/** What the sandbox runs, and what is run in it: see `sandbox-request.ts`, `port-forward.ts` and `pod-files.ts`. */
const APPLETS = ['cat', 'grep', 'ln', 'mv', 'nc', 'readlink', 'rm', 'sh', 'sleep'];

export async function imageDetails(
  engine: Engine,
  image: string,
  options: ReadOptions,
): Promise<ImageDetails | undefined> {
  try {
    return await engine.json<ImageDetails>({ method: 'GET', path: `/images/${imagePath(image)}/json`, ...options });
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** Slashes and the colon of a tag or digest are part of the path; nothing else of it is. */
function imagePath(image: string): string {
  return image.split('/').map(encodeURIComponent).join('/').replaceAll('%3A', ':').replaceAll('%40', '@');
}

/** Tries the secrets that fit in their order, and without one when there is none. Throws what the registry said. */
export async function pull(
  engine: Engine,
  image: string,
  secrets: readonly PullSecret[],
  signal: AbortSignal,
): Promise<void> {
  const fitting = secretsFor(image, secrets);
  let failure: unknown;
  for (const secret of fitting.length === 0 ? [undefined] : fitting) {
    try {
      await pullWith(engine, image, secret, signal);
      return;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function pullWith(
  engine: Engine,
  image: string,
  secret: PullSecret | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { name, tag } = split(image);
  const auth = secret && {
    username: secret.username,
    password: secret.password,
    serveraddress: registryOf(image),
  };
  const stream = await engine.stream({
    method: 'POST',
    path: `/images/create?fromImage=${encodeURIComponent(name)}&tag=${encodeURIComponent(tag)}`,
    // A registry that refuses before the first byte answers here, with an error of its own.
    headers: auth === undefined ? {} : { 'x-registry-auth': Buffer.from(JSON.stringify(auth)).toString('base64url') },
    signal,
    timeoutMs: PULL_BEGIN_MS,
  });
  let text = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const lines = (text + chunk.toString()).split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) throwError(line);
  }
  throwError(text);
}

function throwError(line: string): void {
  if (!line.includes('"error')) return;
  const { error, errorDetail } = JSON.parse(line) as { error?: string; errorDetail?: { message?: string } };
  const message = errorDetail?.message ?? error;
  if (message !== undefined) throw new ZoneletError('Unavailable', message);
}

/** A name without tag and digest means `latest`; the engine would pull all tags. */
export function split(image: string): { readonly name: string; readonly tag: string } {
  const digest = image.indexOf('@');
  if (digest >= 0) return { name: image.slice(0, digest).replace(/:[^:/]+$/, ''), tag: image.slice(digest + 1) };
  const colon = image.lastIndexOf(':');
  if (colon > image.lastIndexOf('/')) return { name: image.slice(0, colon), tag: image.slice(colon + 1) };
  return { name: image, tag: 'latest' };
}

const HUB = 'docker.io';

export function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const isHost = rest.length > 0 && (first.includes('.') || first.includes(':') || first === 'localhost');
  return isHost ? first : HUB;
}

/** Those whose registry is this image's, the closest first: a path prefix is closer than a host alone, a host than a wildcard. */
export function secretsFor(image: string, secrets: readonly PullSecret[]): PullSecret[] {
  const host = registryOf(image);
  const { name } = split(image);
  const full = name.startsWith(`${host}/`) ? name : `${host}/${name.includes('/') ? name : `library/${name}`}`;
  return secrets
    .map((secret) => {
      const address = secret.registry.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
      const [given = '', ...path] = address.split('/');
      const hub = /^(index\.|registry-1\.)?docker\.io$/.test(given) ? HUB : given;
      const pattern = new RegExp(`^${hub.split('*').map(RegExp.escape).join('[^.]*')}$`);
      const prefix = [host, ...path].join('/');
      const fits = pattern.test(host) && (full === prefix || full.startsWith(`${prefix}/`));
      return { secret, closeness: fits ? prefix.length + (hub.includes('*') ? 0 : 0.5) : -1 };
    })
    .filter(({ closeness }) => closeness >= 0)
    .sort((a, b) => b.closeness - a.closeness)
    .map(({ secret }) => secret);
}

/** Sees to it that the engine has the sandbox's image, once; the name of it. */
export function createSandboxImage(
  { sandbox }: DockerOptions,
  engine: Engine,
  life: AbortSignal,
): (options: ReadOptions) => Promise<string> {
  let making: Promise<string> | undefined;

  async function make(): Promise<string> {
    const options = { signal: life, timeoutMs: PULL_BEGIN_MS };
    if (sandbox.busyboxFile === undefined) {
      const image = sandbox.image ?? DEFAULT_SANDBOX_IMAGE;
      if ((await imageDetails(engine, image, options)) === undefined) await pull(engine, image, [], life);
      return image;
    }
    const program = await readFile(sandbox.busyboxFile);
    const hash = createHash('sha256').update(program).update(APPLETS.join()).digest('hex').slice(0, 12);
    const name = 'zonelet.dev/sandbox';
    if ((await imageDetails(engine, `${name}:${hash}`, options)) !== undefined) return `${name}:${hash}`;
    const layer = tar([
      ...['bin', 'zonelet', 'memory', 'tmp'].map((path) => ({ path, mode: 0o755 })),
      { path: 'bin/busybox', content: program, mode: 0o755 },
      ...APPLETS.map((applet) => ({ path: `bin/${applet}`, linkTo: 'busybox', mode: 0o777 })),
    ]);
    const path = `/images/create?fromSrc=-&repo=${encodeURIComponent(name)}&tag=${hash}`;
    await engine.bytes({ method: 'POST', path, body: layer, ...options });
    return `${name}:${hash}`;
  }

  return async () => {
    making ??= make().catch((error: unknown) => {
      making = undefined;
      throw new ZoneletError('Unavailable', `the sandbox's image: ${messageOf(error)}`, { cause: error });
    });
    return await making;
  };
}
