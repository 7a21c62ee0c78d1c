/** Source: pkg/registry/core/namespace. What ends a namespace's contents is `housekeeping.ts`. */
import type { Namespace } from '../../../kube/types.ts';
import { dnsLabel } from '../validation/names.ts';
import { type Kind, ordinary, type PartialUpdate } from './kind.ts';

export const namespaces: Kind = {
  ...ordinary,
  group: '',
  version: 'v1',
  plural: 'namespaces',
  singular: 'namespace',
  kind: 'Namespace',
  namespaced: false,
  shortNames: ['ns'],
  nameCheck: dnsLabel,
  returnsDeleted: true,
  fieldLabels: {
    'status.phase': (object) => (object as Namespace).status?.phase ?? '',
  },
  complete({ metadata }) {
    if (metadata.name === undefined) return;
    metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name };
  },
  prepareCreate(object) {
    const namespace = object as Namespace;
    namespace.spec = { finalizers: [...new Set([...(namespace.spec?.finalizers ?? []), 'kubernetes'])] };
    namespace.status = { phase: 'Active' };
  },
  prepareUpdate(next, old) {
    keep(next as Namespace, 'spec', (old as Namespace).spec);
    keep(next as Namespace, 'status', (old as Namespace).status);
  },
  status: {
    prepare: (next, old) => keep(next as Namespace, 'spec', (old as Namespace).spec),
    problems: () => [],
  },
};

/** `namespaces/finalize`: says that what a finalizer of `spec` waits for is done. */
export const namespaceFinalize: PartialUpdate = {
  prepare: (next, old) => keep(next as Namespace, 'status', (old as Namespace).status),
  problems: () => [],
};

function keep<K extends 'spec' | 'status'>(next: Namespace, field: K, old: Namespace[K] | undefined): void {
  if (old === undefined) delete next[field];
  else next[field] = old;
}
