/** What scenarios ask of the workload's pods. */
import { scale, WORKLOAD } from '../../../src/commands/demo/workload.ts';
import { NODES, PODS } from '../../../src/kube/resources.ts';
import type { Node, Pod } from '../../../src/kube/types.ts';
import type { Play } from './play.ts';

/** Of the Deployment, not on their way out. */
export function workloadPods(play: Play): readonly Pod[] {
  return play.history
    .currentPods()
    .filter(({ metadata }) => metadata?.labels?.app === WORKLOAD && metadata.deletionTimestamp === undefined);
}

export function uids(pods: readonly Pod[]): string[] {
  return pods.map(({ metadata }) => metadata?.uid ?? '').sort();
}

export function restarts(pods: readonly Pod[]): number {
  return pods
    .flatMap(({ status }) => status?.containerStatuses ?? [])
    .reduce((sum, each) => sum + each.restartCount, 0);
}

export async function scaleTo(play: Play, count: number): Promise<void> {
  await scale(play.client, play.stage.namespace, count);
  await play.until(
    `${count} running pods`,
    () => play.observer.runningPods === count && workloadPods(play).length === count,
  );
}

export function node(play: Play, zone: string): Node | undefined {
  const name = play.stage.zones.find((each) => each.name === zone)?.nodeName;
  return play.history.currentNodes().find(({ metadata }) => metadata?.name === name);
}

export async function annotateNode(play: Play, zone: string, annotations: Record<string, string>): Promise<void> {
  const name = play.stage.zones.find((each) => each.name === zone)?.nodeName ?? '';
  await play.client.patch(NODES, { name }, { type: 'merge', body: { metadata: { annotations } } });
}

/** A pod that nobody schedules: bound to the zone's node from the start. */
export function barePod(play: Play, name: string, zone: string, requests: Record<string, string> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: play.stage.namespace },
    spec: {
      nodeName: play.stage.zones.find((each) => each.name === zone)?.nodeName ?? '',
      tolerations: [{ operator: 'Exists' }],
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'app', image: 'registry.example/app:1', resources: { requests } }],
    },
  };
}

export function podNamed(play: Play, name: string): Pod | undefined {
  return play.history.currentPods().find(({ metadata }) => metadata?.name === name);
}

export async function createPod(play: Play, pod: Pod): Promise<Pod> {
  return await play.client.create(PODS, pod);
}
