/** What a ConfigMap or a Secret holds, in the forms in which pods ask for it. */
import type { ConfigMap, KubeObject, Secret } from '../../kube/types.ts';

export interface Referenced {
  readonly resourceVersion: string;
  /** It never changes; only its deletion could. */
  readonly immutable: boolean;
  /** Of a Secret. */
  readonly type: string;
  /** For variables. Of a ConfigMap, `data` alone; of a Secret, decoded. Maps, because any text may be a key. */
  readonly values: ReadonlyMap<string, string>;
  /** For files: `binaryData` too. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export function referencedConfigMap(object: ConfigMap): Referenced {
  const values = new Map(Object.entries(object.data ?? {}));
  return {
    ...common(object),
    type: '',
    values,
    get files() {
      const text = [...values].map(([key, value]) => [key, Buffer.from(value)] as const);
      const binary = Object.entries(object.binaryData ?? {}).map(([key, value]) => [key, decoded(value)] as const);
      return new Map<string, Uint8Array>([...text, ...binary]);
    },
  };
}

export function referencedSecret(object: Secret): Referenced {
  const files = new Map(Object.entries(object.data ?? {}).map(([key, value]) => [key, decoded(value)] as const));
  return {
    ...common(object),
    type: object.type ?? '',
    files,
    get values() {
      return new Map([...files].map(([key, value]) => [key, Buffer.from(value).toString()] as const));
    },
  };
}

function common(object: KubeObject & { readonly immutable?: boolean }): {
  readonly resourceVersion: string;
  readonly immutable: boolean;
} {
  return { resourceVersion: object.metadata?.resourceVersion ?? '', immutable: object.immutable === true };
}

function decoded(base64: string): Uint8Array {
  return Buffer.from(base64, 'base64');
}
