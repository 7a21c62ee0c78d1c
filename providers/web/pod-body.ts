/** The body of a create, an update and a refresh of volumes: a resolved pod as JSON, the content of files in base64. */
import type { ResolvedPod, VolumeContent } from '../../src/provider/contract.ts';

/** A file of a volume as it is sent. */
export interface SentFile {
  readonly path: string;
  /** Base64 (RFC 4648 §4, with padding). */
  readonly content: string;
  /** Permission bits, 0 to 511. */
  readonly mode: number;
}

export type SentVolumes = Readonly<Record<string, { readonly files: readonly SentFile[] }>>;

/** Body of `PUT /v2/pods/{uid}` and `PUT /v2/pods/{uid}/spec`. */
export interface PodBody extends Omit<ResolvedPod, 'volumes'> {
  readonly volumes: SentVolumes;
}

/** Body of `PUT /v2/pods/{uid}/volumes`. */
export interface VolumesBody {
  readonly volumes: SentVolumes;
}

/** Nothing but what the protocol has, whatever else the caller's object carries. */
export function bodyOf({ ref, pod, env, podIPMarkers, volumes, pullSecrets, hash }: ResolvedPod): PodBody {
  return {
    ref: { uid: ref.uid, namespace: ref.namespace, name: ref.name },
    pod,
    env,
    ...(podIPMarkers === undefined ? {} : { podIPMarkers: { ...podIPMarkers } }),
    volumes: sentVolumes(volumes),
    pullSecrets: pullSecrets.map(({ registry, username, password }) => ({ registry, username, password })),
    hash,
  };
}

export function sentVolumes(volumes: Readonly<Record<string, VolumeContent>>): SentVolumes {
  return Object.fromEntries(
    Object.entries(volumes).map(([name, { files }]) => [
      name,
      {
        files: files.map(({ path, content, mode }) => ({
          path,
          content: Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64'),
          mode,
        })),
      },
    ]),
  );
}
