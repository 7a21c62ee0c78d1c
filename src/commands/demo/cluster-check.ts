/** Whether somebody's cluster is one to play on. */
import type { KubeClient } from '../../kube/client.ts';
import { NODES } from '../../kube/resources.ts';
import { SET_LABEL } from '../../node/names.ts';
import { UsageError } from '../usage-error.ts';

/**
 * Throws `UsageError` when a set of the demo's name runs on the cluster: its zones would be taken over, and its Nodes and
 * Leases removed at the end. What is left of a set that has stopped is no obstacle. Throws as `list` when nothing answers.
 */
export async function assertNoSuchSet(client: KubeClient, set: string): Promise<void> {
  const { items } = await client.list(NODES, { labelSelector: `${SET_LABEL}=${set}`, timeoutMs: 10_000 });
  const alive = items.filter(({ status }) =>
    status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True'),
  );
  if (alive.length === 0) return;
  const names = alive.map(({ metadata }) => metadata?.name).join(', ');
  throw new UsageError(
    `a set called "${set}" runs on this cluster already, with the nodes ${names}: the demo would take them over and remove them`,
  );
}
