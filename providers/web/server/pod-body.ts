/** Bodies of requests, looked over before anything is done with them. */
import type { IncomingMessage } from 'node:http';
import { ZoneletError } from '../../../src/errors.ts';
import type { PullSecret, ResolvedPod, VolumeContent, VolumeFile } from '../../../src/provider/contract.ts';
import { isRecord } from '../../../src/provider/received-values.ts';
import type { ZoneSwitch } from '../protocol.ts';
import { Refused } from './refusals.ts';

/**
 * An API server takes objects of 1.5 MiB, a Secret or ConfigMap of 1 MiB; a pod with its environment and the files of
 * several of them, a third larger in base64, has room in this.
 */
const LARGEST_BODY = 16 * 1024 * 1024;
/** Beyond this the connection is broken off. */
const LARGEST_READ = 4 * LARGEST_BODY;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** As the API has it for names of volumes; nothing that could lead out of a folder. */
const VOLUME_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The pod of a create or an update. */
export async function podBodyOf(request: IncomingMessage, uid: string): Promise<ResolvedPod> {
  return checkedPod(await jsonOf(request), uid);
}

/** The volumes of a refresh. */
export async function volumesBodyOf(request: IncomingMessage): Promise<Readonly<Record<string, VolumeContent>>> {
  const body = await jsonOf(request);
  if (!isRecord(body) || body.volumes === undefined) throw invalid('the body must have volumes');
  return checkedVolumes(body.volumes);
}

/** What an operator says of the zone. */
export async function zoneBodyOf(request: IncomingMessage): Promise<ZoneSwitch> {
  const body = await jsonOf(request);
  const { state, reason } = isRecord(body) ? body : {};
  if (state !== 'Up' && state !== 'NoNew' && state !== 'Down') throw invalid('state must be Up, NoNew or Down');
  if (state === 'Up') return { state, reason: '' };
  if (typeof reason !== 'string' || reason === '' || reason.length > 500) {
    throw invalid('reason must say why, in at most 500 characters');
  }
  return { state, reason };
}

async function jsonOf(request: IncomingMessage): Promise<unknown> {
  const type = request.headers['content-type']?.split(';')[0]?.trim();
  if (type !== 'application/json') throw new Refused(415, 'InvalidInput', 'the body must be application/json');
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    // Read to its end all the same, or the caller would see a broken connection and no answer.
    if (size <= LARGEST_BODY) chunks.push(chunk);
    else if (size > LARGEST_READ) break;
  }
  if (size > LARGEST_BODY) throw new Refused(413, 'InvalidInput', `the body is larger than ${LARGEST_BODY} bytes`);
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw invalid('the body is no JSON');
  }
}

function checkedPod(body: unknown, uid: string): ResolvedPod {
  if (!isRecord(body)) throw invalid('the body must be an object');
  const { ref, pod, env, hash, podIPMarkers: markers, volumes = {}, pullSecrets = [] } = body;
  if (!isRecord(ref) || ref.uid !== uid) throw invalid('ref.uid must be the UID in the path');
  for (const field of ['namespace', 'name'] as const) {
    if (typeof ref[field] !== 'string' || ref[field] === '') throw invalid(`ref.${field} must be a name`);
  }
  if (typeof hash !== 'string') throw invalid('hash must be a string');
  if (!isRecord(pod) || !isRecord(pod.spec)) throw invalid('pod must be a pod with a spec');
  const { containers, initContainers = [] } = pod.spec;
  if (!Array.isArray(containers) || containers.length === 0) throw invalid('pod.spec.containers must have containers');
  if (!Array.isArray(initContainers)) throw invalid('pod.spec.initContainers must be a list');
  const names = new Set<string>();
  for (const container of [...initContainers, ...containers] as readonly unknown[]) {
    if (
      !isRecord(container) ||
      typeof container.name !== 'string' ||
      !/^[a-z0-9][a-z0-9-]{0,62}$/.test(container.name)
    ) {
      throw invalid('every container must have a name of lower-case letters, digits and dashes');
    }
    if (names.has(container.name)) throw invalid(`two containers are called ${container.name}`);
    names.add(container.name);
  }
  if (!isRecord(env)) throw invalid('env must map containers to their environment');
  for (const [name, list] of Object.entries(env)) {
    const good = (one: unknown): boolean =>
      isRecord(one) && typeof one.name === 'string' && one.name !== '' && typeof one.value === 'string';
    if (!Array.isArray(list) || !list.every(good)) throw invalid(`env.${name} must be a list of name and value`);
  }
  const text = (value: unknown): boolean => typeof value === 'string' && value !== '';
  if (markers !== undefined && !(isRecord(markers) && text(markers.podIP) && text(markers.podIPs))) {
    throw invalid('podIPMarkers must have the texts podIP and podIPs');
  }
  return {
    ...(body as unknown as ResolvedPod),
    volumes: checkedVolumes(volumes),
    pullSecrets: checkedPullSecrets(pullSecrets),
  };
}

/** No message has any of the content: it may be secret. */
function checkedVolumes(volumes: unknown): Readonly<Record<string, VolumeContent>> {
  if (!isRecord(volumes)) throw invalid('volumes must map names to files');
  return Object.fromEntries(
    Object.entries(volumes).map(([name, volume]) => {
      if (!VOLUME_NAME.test(name)) throw invalid('volumes: a name must be of lower-case letters, digits and dashes');
      if (!isRecord(volume) || !Array.isArray(volume.files)) throw invalid(`volumes.${name}.files must be a list`);
      const files = volume.files.map((file: unknown, i) => checkedFile(file, `volumes.${name}.files[${i}]`));
      checkTree(files, `volumes.${name}`);
      return [name, { files }];
    }),
  );
}

function checkedFile(file: unknown, at: string): VolumeFile {
  if (!isRecord(file)) throw invalid(`${at} must be an object`);
  const { path, content, mode } = file;
  if (typeof path !== 'string' || !isInside(path)) {
    throw invalid(`${at}.path must be relative, with no empty part, no "." and no ".."`);
  }
  if (typeof content !== 'string' || !BASE64.test(content)) throw invalid(`${at}.content must be base64`);
  if (typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 0o777) {
    throw invalid(`${at}.mode must be permission bits from 0 to 511`);
  }
  return { path, content: Buffer.from(content, 'base64'), mode };
}

/** Names that begin with `..` are the kubelet's own, for switching. */
function isInside(path: string): boolean {
  if (path.length > 4096 || path.includes('\0') || path.startsWith('..')) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= 255);
}

/** No path twice, and none that is a file and a folder at once. */
function checkTree(files: readonly VolumeFile[], at: string): void {
  const paths = new Set(files.map(({ path }) => path));
  if (paths.size < files.length) throw invalid(`${at} has a path twice`);
  for (const { path } of files) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      if (paths.has(path.slice(0, end))) throw invalid(`${at} has a path that is a file and a folder`);
    }
  }
}

function checkedPullSecrets(secrets: unknown): readonly PullSecret[] {
  if (!Array.isArray(secrets)) throw invalid('pullSecrets must be a list');
  return secrets.map((secret: unknown, i) => {
    if (!isRecord(secret)) throw invalid(`pullSecrets[${i}] must be an object`);
    const { registry, username, password } = secret;
    if (typeof registry !== 'string' || typeof username !== 'string' || typeof password !== 'string') {
      throw invalid(`pullSecrets[${i}] must have registry, username and password`);
    }
    return { registry, username, password };
  });
}

function invalid(message: string): ZoneletError {
  return new ZoneletError('InvalidInput', message);
}
