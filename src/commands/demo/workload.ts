/** The demo's workload: an ordinary Deployment that tolerates virtual nodes and is spread over the zones. */
import { hasCode } from '../../errors.ts';
import type { KubeClient } from '../../kube/client.ts';
import { DEPLOYMENTS } from '../../kube/resources.ts';
import type { Deployment } from '../../kube/types.ts';

export const WORKLOAD = 'hello';
/** For backends that run it: something to see in the log. */
const COUNT = 'i=0; while :; do echo "hello $i"; i=$((i+1)); sleep 1; done';
export const WORKLOAD_SELECTOR = `app=${WORKLOAD}`;

export function workload(namespace: string, replicas: number, set: string): Deployment {
  const labels = { app: WORKLOAD };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: WORKLOAD, namespace, labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          nodeSelector: { 'zonelet.dev/set': set },
          tolerations: [{ key: 'virtual-kubelet.io/provider', operator: 'Exists', effect: 'NoSchedule' }],
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'topology.kubernetes.io/zone',
              whenUnsatisfiable: 'DoNotSchedule',
              labelSelector: { matchLabels: labels },
            },
          ],
          terminationGracePeriodSeconds: 5,
          containers: [
            {
              name: 'hello',
              image: 'registry.example/hello:1',
              command: ['sh', '-c', COUNT],
              resources: { requests: { cpu: '100m', memory: '64Mi' } },
            },
          ],
        },
      },
    },
  };
}

/** Creates the Deployment; one that an earlier demo left is taken over with this one's size. */
export async function deploy(client: KubeClient, deployment: Deployment): Promise<void> {
  try {
    await client.create(DEPLOYMENTS, deployment);
  } catch (error) {
    if (!hasCode(error, 'Conflict')) throw error;
    await scale(client, deployment.metadata?.namespace ?? 'default', deployment.spec?.replicas ?? 0);
  }
}

export async function scale(client: KubeClient, namespace: string, replicas: number): Promise<void> {
  const at = { namespace, name: WORKLOAD };
  await client.patch(DEPLOYMENTS, at, { type: 'merge', body: { spec: { replicas } } });
}

export async function removeWorkload(client: KubeClient, namespace: string): Promise<void> {
  try {
    await client.delete(DEPLOYMENTS, { namespace, name: WORKLOAD }, { propagationPolicy: 'Background' });
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
}
