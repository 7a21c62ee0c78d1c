/** What has to be there before @peculiar/x509 is loaded. */

interface Metadata {
  getMetadata?(key: unknown, target: object): unknown;
  getOwnMetadata?(key: unknown, target: object): unknown;
  defineMetadata?(key: unknown, value: unknown, target: object): void;
}

/**
 * The dependency container of @peculiar/x509 refuses to load without these three functions of the old decorator-metadata
 * proposal, although nothing that is used here carries decorators.
 */
export function provideReflectMetadata(): void {
  const reflect = Reflect as Metadata;
  if (reflect.getMetadata !== undefined) return;
  const kept = new WeakMap<object, Map<unknown, unknown>>();
  const get = (key: unknown, target: object): unknown => kept.get(target)?.get(key);
  reflect.getMetadata = get;
  reflect.getOwnMetadata = get;
  reflect.defineMetadata = (key, value, target) => {
    const of = kept.get(target) ?? new Map<unknown, unknown>();
    kept.set(target, of.set(key, value));
  };
}
