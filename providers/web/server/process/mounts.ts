/**
 * Volumes at their mount paths, for a plain process: it gets a mount namespace of its own, in which everything of the
 * machine is at its place and the volumes are where the pod wants them. Nothing changes for anybody else, and it all goes
 * with the process. Where the kernel lets nobody but root do that, a user namespace is made around it.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { messageOf, ZoneletError } from '../../../../src/errors.ts';
import type { Container, Pod } from '../../../../src/kube/types.ts';
import { isTokenVolume } from '../../support.ts';
import { volumeFolder } from './volumes.ts';

/** `root`: as the machine's root, with a mount namespace only; `user`: in a user namespace, as its root. */
export type MountWay = 'root' | 'user';

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/**
 * `$1`: the run's folder; `$2`: how many mounts; then three words for each; then the command. A mount point that is not on
 * the machine is made in a folder of our own, which has all that the machine's has and takes its place. The new root is
 * unbindable, or it would be shown within itself.
 */
const SCRIPT = String.raw`
dir=$1; count=$2; shift 2
root=$dir/root
(
  PATH=/usr/sbin:/usr/bin:/sbin:/bin
  set -eu
  own='|'
  show() {
    for each in "$1"/* "$1"/.[!.]* "$1"/..?*; do
      if [ -L "$each" ]; then cp -P "$each" "$root$each"
      elif [ -d "$each" ]; then mkdir "$root$each"; mount --rbind "$each" "$root$each"
      elif [ -e "$each" ]; then : >"$root$each"; mount --bind "$each" "$root$each"
      fi
    done
  }
  replace() {
    mount -t tmpfs -o "mode=$(stat -c %a "$1/.")" zonelet "$root$1"
    if [ -z "$1" ]; then mount --make-unbindable "$root"; fi
    show "$1"
    own="$own$1|"
  }
  place() {
    rest=$(readlink -m -- "$1"); rest=\${rest#/}; at=
    while [ -n "$rest" ]; do
      part=\${rest%%/*}; rest=\${rest#"$part"}; rest=\${rest#/}
      if [ ! -e "$root$at/$part" ]; then
        case $own in *"|$at|"*) ;; *) replace "$at" ;; esac
        if [ -n "$rest" ] || [ -d "$2" ]; then mkdir "$root$at/$part"; own="$own$at/$part|"
        else : >"$root$at/$part"
        fi
      fi
      at=$at/$part
    done
    mount --bind "$2" "$root$at"
    if [ "$3" = ro ]; then
      mount -o "remount,bind,$(findmnt -n -o VFS-OPTIONS --mountpoint "$root$at" | tail -n 1),ro" "$root$at"
    fi
  }
  mkdir -p "$root"
  replace ''
  while [ "$count" -gt 0 ]; do
    place "$2" "$1" "$3"
    shift 3
    count=$((count - 1))
  done
) || { echo 'zonelet: the volumes could not be mounted' >&2; exit 128; }
shift $((count * 3))
: >"$dir/mounted"
exec "$0" "$root" /bin/sh -c 'cd "$0" || exit 128; exec "$@"' "$PWD" "$@"
`.replaceAll('\\${', '${');

/** Looked for where they are, not along a `PATH` that a pod may set. */
function tool(name: string): string | undefined {
  return ['/usr/sbin', '/usr/bin', '/sbin', '/bin']
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

function unshare(way: MountWay): readonly string[] {
  return [tool('unshare') ?? 'unshare', ...(way === 'user' ? ['--user', '--map-root-user'] : []), '--mount'];
}

/** The command that runs `command` with the volumes mounted; as it is when there are none. */
export function withMounts(
  way: MountWay,
  folder: string,
  mounts: readonly Mount[],
  command: readonly string[],
): readonly string[] {
  if (mounts.length === 0) return command;
  const words = mounts.flatMap(({ source, target, readOnly }) => [source, target, readOnly ? 'ro' : 'rw']);
  const chroot = tool('chroot') ?? 'chroot';
  return [...unshare(way), '--', '/bin/sh', '-c', SCRIPT, chroot, folder, String(mounts.length), ...words, ...command];
}

/** Enters the namespaces of the process `pid`, which runs `withMounts`. */
export function entering(way: MountWay, pid: number): readonly string[] {
  const user = way === 'user' ? ['--user', '--preserve-credentials'] : [];
  // With the target's folder: that of the caller lies outside of the root, and every shell would complain.
  return [tool('nsenter') ?? 'nsenter', '--target', String(pid), ...user, '--mount', '--root', '--wd', '--'];
}

/** For whoever comes later: this run has a view of its own. Before it begins. */
export function noteMounts(folder: string): void {
  writeFileSync(join(folder, 'mounts'), '', { mode: 0o600 });
}

export function hasMounts(folder: string): boolean {
  return existsSync(join(folder, 'mounts'));
}

/** True once the process sees its volumes. */
export function isMounted(folder: string): boolean {
  return existsSync(join(folder, 'mounted'));
}

/** Tries it, in a folder of its own; the reason when it cannot be done on this machine. */
export function findMountWay(folder: string): MountWay | { readonly reason: string } {
  let reason = 'unshare, chroot, nsenter and findmnt of util-linux and coreutils are needed';
  if ([tool('unshare'), tool('chroot'), tool('nsenter'), tool('findmnt')].includes(undefined)) return { reason };
  const source = join(folder, 'source');
  try {
    mkdirSync(source, { recursive: true, mode: 0o700 });
    for (const way of getuid?.() === 0 ? (['root', 'user'] as const) : (['user'] as const)) {
      const mounts = [{ source, target: '/zonelet-probe/mount', readOnly: true }];
      const [file = '', ...args] = withMounts(way, folder, mounts, ['/bin/sh', '-c', '[ -d /zonelet-probe/mount ]']);
      const { status, stderr } = spawnSync(file, args, { cwd: '/', timeout: 10_000, encoding: 'utf8', env: {} });
      if (status === 0) return way;
      reason = `this machine lets the backend make no mount namespace: ${stderr.trim().split('\n')[0] ?? ''}`;
    }
  } catch (error) {
    reason = messageOf(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { reason };
}

/** What a container wants mounted. Folders of `emptyDir` are made. Throws when a volume has no content. */
export function mountsOf(pod: Pod, container: Container, podFolder: string): readonly Mount[] {
  return (container.volumeMounts ?? []).flatMap((mount) => {
    const volume = pod.spec?.volumes?.find(({ name }) => name === mount.name);
    const folder = volumeFolder(podFolder, mount.name);
    const empty = volume?.emptyDir !== undefined;
    // Open to whoever the command becomes, as the kubelet's are.
    if (empty) makeFolder(folder, 0o777);
    if (!existsSync(folder)) {
      // Whoever sent the pod has no token to give.
      if (isTokenVolume(mount.name)) return [];
      throw new ZoneletError('InvalidInput', `the volume ${mount.name} came without its content`);
    }
    const source = mount.subPath === undefined || mount.subPath === '' ? folder : join(folder, mount.subPath);
    if (!existsSync(source)) {
      if (!empty) throw new ZoneletError('InvalidInput', `the volume ${mount.name} has no ${mount.subPath}`);
      makeFolder(source, 0o777);
    }
    return [{ source: realpathSync(source), target: mount.mountPath, readOnly: mount.readOnly === true || !empty }];
  });
}

function makeFolder(folder: string, mode: number): void {
  if (existsSync(folder)) return;
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, mode);
}
