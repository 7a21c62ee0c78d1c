/** NamespaceLifecycle: nothing is created in a namespace that is not there or that ends. */
import type { Namespace } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { forbidden, notFound } from '../failure.ts';
import type { Kind } from '../kinds/kind.ts';
import type { Store } from '../storage/store.ts';

export function refuseInNamespace(store: Store, { group, plural: resource }: Kind, { metadata }: ApiObject): void {
  const { namespace = '' } = metadata;
  const stored = store.collection('namespaces').get(namespace);
  if (stored === undefined) throw notFound({ group: '', resource: 'namespaces' }, namespace);
  if ((stored.object as Namespace).status?.phase !== 'Terminating') return;
  const message = `namespace ${namespace} is being terminated`;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  throw forbidden({ group, resource }, metadata.name ?? '', why, [
    { reason: 'NamespaceTerminating', message, field: 'metadata.namespace' },
  ]);
}

/** Namespaces that can never be deleted. */
export const IMMORTAL_NAMESPACES: readonly string[] = ['default', 'kube-system', 'kube-public'];
