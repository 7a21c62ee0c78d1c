/**
 * The content of volumes that Kubernetes gives: `configMap`, `secret`, `downwardAPI` and `projected`, with the rules of a
 * kubelet (pkg/volume/{configmap,secret,downwardapi,projected};
 * https://kubernetes.io/docs/concepts/storage/projected-volumes/).
 *
 * Contents of Secrets and tokens pass through here: they go to the provider and nowhere else.
 */
import type { Pod } from '../../kube/types.ts';
import type { Resources, VolumeContent } from '../../provider/contract.ts';
import { fileField, isLiveField } from './field-reference.ts';
import { lookUp } from './lookup.ts';
import { Missing } from './missing.ts';
import type { ReadReference, Reference } from './references.ts';
import { resourceField } from './resource-field.ts';
import type { Token, TokenWish } from './tokens.ts';
import { DEFAULT_MODE, VolumeFiles } from './volume-files.ts';

export type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];
type Projection = NonNullable<NonNullable<NonNullable<Volume['projected']>['sources']>[number]>;
type Items = NonNullable<NonNullable<Volume['configMap']>['items']>;
type DownwardItems = NonNullable<NonNullable<Volume['downwardAPI']>['items']>;

/** Kinds whose content comes from here. */
export const CONTENT_KINDS = ['configMap', 'secret', 'downwardAPI', 'projected'] as const;

export interface VolumeSources {
  readonly read: ReadReference;
  /** A token of the pod's ServiceAccount. Left out: the backend mounts none, and their files are left out. */
  readonly token?: (wish: TokenWish) => Promise<Token>;
  /** Of the node. */
  readonly allocatable: Resources;
}

/** A volume's content, and what it would change with. */
export interface ResolvedVolume {
  readonly content: VolumeContent;
  /** Objects whose change changes it, and the version that was seen (undefined: not there). Immutable ones are left out. */
  readonly references: readonly { readonly reference: Reference; readonly version: string | undefined }[];
  /** Labels or annotations of the pod are in it. */
  readonly live: boolean;
  /** Monotonic time at which its first token wants to be renewed. */
  readonly renewAt?: number;
}

/** `Missing` with a message that names the volume. */
export async function resolveVolume(pod: Pod, volume: Volume, sources: VolumeSources): Promise<ResolvedVolume> {
  const filling = new Filling(pod, sources);
  try {
    await fill(filling, volume);
    return filling.result();
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    const { reference, version } = error;
    const message = `MountVolume.SetUp failed for volume ${JSON.stringify(volume.name)} : ${error.message}`;
    throw new Missing(message, { ...(reference === undefined ? {} : { reference }), version });
  }
}

async function fill(filling: Filling, volume: Volume): Promise<void> {
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap !== undefined) {
    await filling.object('ConfigMap', configMap, configMap.defaultMode);
  } else if (secret !== undefined) {
    const { secretName: name, items, optional, defaultMode } = secret;
    await filling.object('Secret', { name, items, optional }, defaultMode);
  } else if (downwardAPI !== undefined) {
    filling.downward(downwardAPI.items ?? [], downwardAPI.defaultMode);
  } else if (projected !== undefined) {
    for (const source of projected.sources ?? []) await project(filling, source, projected.defaultMode);
  }
}

async function project(filling: Filling, source: Projection, mode: number | undefined): Promise<void> {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap !== undefined) await filling.object('ConfigMap', configMap, mode);
  if (secret !== undefined) await filling.object('Secret', secret, mode);
  if (downwardAPI !== undefined) filling.downward(downwardAPI.items ?? [], mode);
  if (serviceAccountToken !== undefined) await filling.token(serviceAccountToken, mode);
}

/** One volume as it fills. */
class Filling {
  readonly #pod: Pod;
  readonly #sources: VolumeSources;
  readonly #files = new VolumeFiles();
  readonly #references: ResolvedVolume['references'][number][] = [];
  #live = false;
  #renewAt = Number.POSITIVE_INFINITY;

  constructor(pod: Pod, sources: VolumeSources) {
    this.#pod = pod;
    this.#sources = sources;
  }

  async object(
    kind: Reference['kind'],
    from: {
      readonly name?: string | undefined;
      readonly items?: Items | undefined;
      readonly optional?: boolean | undefined;
    },
    defaultMode: number | undefined,
  ): Promise<void> {
    const { name = '', items, optional = false } = from;
    const reference: Reference = { kind, namespace: this.#pod.metadata?.namespace ?? '', name };
    const found = await lookUp(reference, optional, this.#sources.read);
    if (found?.immutable !== true) this.#references.push({ reference, version: found?.resourceVersion });
    const files = found?.files ?? new Map<string, Uint8Array>();
    const mode = defaultMode ?? DEFAULT_MODE;
    if (items === undefined || items.length === 0) {
      for (const [key, content] of files) this.#files.put(key, content, mode);
      return;
    }
    for (const item of items) {
      const content = files.get(item.key);
      if (content !== undefined) this.#files.put(item.path, content, item.mode ?? mode);
      else if (!optional) {
        const what = kind === 'ConfigMap' ? 'configmap references non-existent config key' : NO_SECRET_KEY;
        throw new Missing(`${what}: ${item.key}`, { reference, version: found?.resourceVersion });
      }
    }
  }

  downward(items: DownwardItems, defaultMode: number | undefined): void {
    for (const { path, mode, fieldRef, resourceFieldRef } of items) {
      const text =
        fieldRef !== undefined
          ? fileField(this.#pod, fieldRef.fieldPath)
          : resourceFieldRef !== undefined
            ? resourceField(this.#pod, undefined, resourceFieldRef, this.#sources.allocatable)
            : '';
      this.#files.put(path, Buffer.from(text), mode ?? defaultMode ?? DEFAULT_MODE);
      if (fieldRef !== undefined && isLiveField(fieldRef.fieldPath)) this.#live = true;
    }
  }

  async token(
    { audience, expirationSeconds, path }: NonNullable<Projection['serviceAccountToken']>,
    mode: number | undefined,
  ): Promise<void> {
    const token = await this.#sources.token?.({
      audience: audience ?? '',
      expirationSeconds: expirationSeconds ?? DEFAULT_TOKEN_SECONDS,
    });
    if (token === undefined) return;
    this.#files.put(path, Buffer.from(token.token), mode ?? DEFAULT_MODE);
    this.#renewAt = Math.min(this.#renewAt, token.renewAt);
  }

  result(): ResolvedVolume {
    return {
      content: { files: this.#files.list },
      references: this.#references,
      live: this.#live,
      ...(this.#renewAt === Number.POSITIVE_INFINITY ? {} : { renewAt: this.#renewAt }),
    };
  }
}

const NO_SECRET_KEY = 'references non-existent secret key';
/** What the API server fills in. */
const DEFAULT_TOKEN_SECONDS = 3_600;

/** The volume that ServiceAccount admission adds to every ordinary pod. */
export function isServiceAccountVolume(volume: Volume): boolean {
  return volume.projected !== undefined && volume.name.startsWith('kube-api-access-');
}
