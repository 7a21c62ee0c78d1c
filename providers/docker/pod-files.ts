/**
 * What is in a pod's volume of files on its engine, as tar entries: the pod itself with everything resolved, the volumes
 * whose content Kubernetes gives, its empty folders, and the files for termination messages. Only the sandbox sees all
 * of it; a container sees the folders that it mounts.
 */
import { createHash } from 'node:crypto';
import type { Pod } from '../../src/kube/types.ts';
import type { ResolvedPod, VolumeContent } from '../../src/provider/contract.ts';
import { quantityValue } from '../../src/quantity.ts';
import { memoryVolume } from './names.ts';
import type { TarEntry } from './tar.ts';

/** Where the sandbox has it. */
export const FILES = '/zonelet';
export const CONTENT_ROOT = 'volumes';
export const EMPTY_ROOT = 'empty';
export const POD_FILE = 'pod.json';

export const terminationPath = (container: string, attempt: number): string => `termination/${container}/${attempt}`;

/** Read and written by everybody with the group's rights kept for what is made in it, where the pod has an `fsGroup`. */
const EMPTY_MODE = 0o777;
const SET_GID = 0o2000;

export function podFiles(resolved: ResolvedPod): TarEntry[] {
  const { pod } = resolved;
  const gid = pod.spec?.securityContext?.fsGroup;
  const entries: TarEntry[] = [
    { path: POD_FILE, content: encodePod(resolved), mode: 0o600 },
    { path: CONTENT_ROOT, mode: 0o755 },
    { path: EMPTY_ROOT, mode: 0o755 },
    { path: 'termination', mode: 0o755 },
  ];
  for (const volume of pod.spec?.volumes ?? []) {
    if (volume.emptyDir === undefined || volume.emptyDir.medium === 'Memory') continue;
    const mode = gid === undefined ? EMPTY_MODE : EMPTY_MODE | SET_GID;
    entries.push({ path: `${EMPTY_ROOT}/${volume.name}`, mode, ...(gid === undefined ? {} : { gid }) });
  }
  for (const { name } of [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]) {
    entries.push({ path: `termination/${name}`, mode: 0o755 });
  }
  for (const [name, content] of Object.entries(withEmptyOnes(resolved))) {
    entries.push(...volumeFiles(name, content, gid));
    const stamp = stampOf(content);
    entries.push({ path: `${CONTENT_ROOT}/${name}/..data`, linkTo: stamp, mode: 0o777 });
    for (const top of topLevel(content)) {
      entries.push({ path: `${CONTENT_ROOT}/${name}/${top}`, linkTo: `..data/${top}`, mode: 0o777 });
    }
  }
  return entries;
}

/** A volume that came without content (an optional one, say) is an empty folder. */
function withEmptyOnes({ pod, volumes }: ResolvedPod): Record<string, VolumeContent> {
  const all: Record<string, VolumeContent> = {};
  for (const volume of pod.spec?.volumes ?? []) {
    const given = volume.configMap ?? volume.secret ?? volume.projected ?? volume.downwardAPI;
    if (given !== undefined) all[volume.name] = volumes[volume.name] ?? { files: [] };
  }
  return all;
}

/** A volume's folder with the files of one state of it, which the link `..data` does not lead to yet. */
export function volumeFiles(name: string, content: VolumeContent, gid: number | undefined): TarEntry[] {
  const root = `${CONTENT_ROOT}/${name}`;
  const base = `${root}/${stampOf(content)}`;
  const group = gid === undefined ? {} : { gid };
  const folders = new Set<string>();
  for (const { path } of content.files) {
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at));
  }
  return [
    { path: root, mode: 0o755, ...group },
    { path: base, mode: 0o755, ...group },
    ...[...folders].map((path) => ({ path: `${base}/${path}`, mode: 0o755, ...group })),
    ...content.files.map(({ path, content: bytes, mode }) => ({
      path: `${base}/${path}`,
      content: bytes,
      // A pod's group can read what is in its volumes, as the kubelet sees to.
      mode: gid === undefined ? mode : mode | 0o440,
      ...group,
    })),
  ];
}

/** Names one state of a volume: the same content has the same name. */
export function stampOf({ files }: VolumeContent): string {
  const hash = createHash('sha256');
  for (const { path, content, mode } of [...files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${path}\0${mode}\0${content.length}\0`).update(content);
  }
  return `..${hash.digest('hex').slice(0, 20)}`;
}

export function topLevel({ files }: VolumeContent): string[] {
  return [...new Set(files.map(({ path }) => path.split('/')[0] ?? path))];
}

/**
 * Run in the sandbox: leads `..data` of the volume $1 to the state $2 in one step, then brings the links to the names
 * that follow in line, and removes the states before.
 */
export const SWITCH_SCRIPT = `set -e
cd ${FILES}/${CONTENT_ROOT}/"$1"; new=$2; shift 2
[ "$(readlink ..data)" = "$new" ] && exit 0
ln -s "$new" ..next.$$; mv -f -T ..next.$$ ..data
for name in "$@"; do [ -L "$name" ] || ln -s "..data/$name" "$name"; done
for link in * .[!.]*; do [ ! -L "$link" ] || [ -e "$link" ] || rm -f "$link"; done
for old in ..[!.]*; do [ "$old" = "$new" ] || [ "$old" = ..data ] || rm -rf "$old"; done
`;

export interface MemoryFolder {
  readonly volume: string;
  readonly engineVolume: string;
  /** Options of the engine's `local` driver. */
  readonly options: Readonly<Record<string, string>>;
}

/** Empty folders of medium Memory: volumes of their own, so that their limit is the kernel's. */
export function memoryFolders(pod: Pod, prefix: string): MemoryFolder[] {
  const gid = pod.spec?.securityContext?.fsGroup;
  return (pod.spec?.volumes ?? []).flatMap(({ name, emptyDir }) => {
    if (emptyDir?.medium !== 'Memory') return [];
    const size = emptyDir.sizeLimit === undefined ? [] : [`size=${quantityValue(emptyDir.sizeLimit)}`];
    const group = gid === undefined ? ['mode=0777'] : ['mode=2777', `gid=${gid}`];
    const options = { type: 'tmpfs', device: 'tmpfs', o: [...group, ...size].join(',') };
    return [{ volume: name, engineVolume: memoryVolume(prefix, name), options }];
  });
}

/** Without the files of volumes, which are beside it. */
function encodePod(resolved: ResolvedPod): Uint8Array {
  return Buffer.from(JSON.stringify({ ...resolved, volumes: {} }));
}

export function decodePod(bytes: Uint8Array): ResolvedPod {
  return JSON.parse(Buffer.from(bytes).toString()) as ResolvedPod;
}

export function encodedPod(resolved: ResolvedPod): TarEntry {
  return { path: POD_FILE, content: encodePod(resolved), mode: 0o600 };
}
