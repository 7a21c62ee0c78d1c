/** The kinds that the server keeps objects of. */
import { configMaps, secrets, serviceAccounts } from './config.ts';
import { events } from './events.ts';
import type { Kind } from './kind.ts';
import { leases } from './leases.ts';
import { namespaces } from './namespaces.ts';
import { nodes } from './nodes.ts';
import { pods } from './pods.ts';
import { services } from './services.ts';
import { deployments, replicaSets } from './workloads.ts';

export const SERVED_KINDS: readonly Kind[] = [
  configMaps,
  events,
  namespaces,
  nodes,
  pods,
  secrets,
  serviceAccounts,
  services,
  deployments,
  replicaSets,
  leases,
];

export function findKind(group: string, version: string, plural: string): Kind | undefined {
  return SERVED_KINDS.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
}

/** Group and version pairs with kinds in them, the core first. */
export const SERVED_VERSIONS: ReadonlyMap<string, readonly Kind[]> = Map.groupBy(SERVED_KINDS, ({ group, version }) =>
  group === '' ? version : `${group}/${version}`,
);

/** Whether anything of that group and version is here; the groups of reviews are those of nothing else. */
export function isServed(group: string, version: string): boolean {
  if (group === 'authentication.k8s.io' || group === 'authorization.k8s.io') return version === 'v1';
  return SERVED_KINDS.some((kind) => kind.group === group && kind.version === version);
}
