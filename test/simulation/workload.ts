/** Those who use the cluster: pods and ReplicaSets come, change and go, and somebody does things by hand. */

import { EPOCH_ANNOTATION, HANDOVER_REQUEST_ANNOTATION, zoneLeaseName } from '../../src/election/names.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { formatTime } from '../../src/kube/micro-time.ts';
import { LEASES, NAMESPACES, NODES, PODS, REPLICA_SETS, SECRETS } from '../../src/kube/resources.ts';
import type { Pod } from '../../src/kube/types.ts';
import { type Behaviour, behaviourAnnotations } from './model/pod-behaviour.ts';
import { NAMESPACE, SET, type World, type Zone } from './place.ts';
import type { Deed } from './plan.ts';

/** In a Secret that pods refer to. Nothing but that Secret may ever show it. */
export const CANARY = 'canary-7f3a9c51';

const DEFAULT = 'default';

export class Workload {
  readonly #world: World;
  readonly #client: KubeClient;
  #images = 1;
  #requests = 0;

  constructor(world: World) {
    this.#world = world;
    this.#client = world.api.client('workload');
  }

  async prepare(): Promise<void> {
    const client = this.#client;
    await client.create(NAMESPACES, { metadata: { name: NAMESPACE } });
    const data = { password: Buffer.from(CANARY).toString('base64') };
    await client.create(SECRETS, { metadata: { namespace: DEFAULT, name: 'secret' }, data });
  }

  /** What is not there to be changed is left alone: a deed of a plan of which a part was left out. */
  async carryOut(deed: Deed['deed']): Promise<void> {
    const { scheduler, history } = this.#world;
    try {
      await this.#do(deed);
      history.note(scheduler.now, `deed ${JSON.stringify(deed)}`);
    } catch (error) {
      history.note(scheduler.now, `deed ${JSON.stringify(deed)} failed: ${String(error)}`);
    }
  }

  async #do(deed: Deed['deed']): Promise<void> {
    const client = this.#client;
    const { scheduler } = this.#world;
    switch (deed.kind) {
      case 'create pod':
        await client.create(
          PODS,
          pod(deed.name, this.#zone(deed.zone), deed.behaviour, deed.restartPolicy, deed.secret),
        );
        return;
      case 'delete pod':
        await client.delete(PODS, { namespace: DEFAULT, name: deed.name }, { gracePeriodSeconds: deed.graceSeconds });
        return;
      case 'recreate pod':
        await client.delete(PODS, { namespace: DEFAULT, name: deed.name }, { gracePeriodSeconds: 0 }).catch(() => {});
        await client.create(PODS, pod(deed.name, this.#zone(deed.zone), deed.behaviour, 'Always', false));
        return;
      case 'change image': {
        const image = `registry.example/app:${++this.#images}`;
        const body = { spec: { containers: [{ name: 'main', image }] } };
        await client.patch(PODS, { namespace: DEFAULT, name: deed.name }, { type: 'strategic', body });
        return;
      }
      case 'create replica set':
        await client.create(REPLICA_SETS, {
          metadata: { namespace: DEFAULT, name: deed.name },
          spec: {
            replicas: deed.replicas,
            selector: { matchLabels: { app: deed.name } },
            template: { metadata: { labels: { app: deed.name } }, spec: podSpec('Always', false) },
          },
        });
        return;
      case 'scale':
        await client.patch(
          REPLICA_SETS,
          { namespace: DEFAULT, name: deed.name },
          { type: 'merge', body: { spec: { replicas: deed.replicas } } },
        );
        return;
      case 'ask for hand-over': {
        const at = formatTime(scheduler.clock.now());
        const to = deed.to === undefined ? {} : { to: `replica-${deed.to}` };
        const request = JSON.stringify({ id: `request-${++this.#requests}`, by: 'workload', at, ...to });
        const body = { metadata: { annotations: { [HANDOVER_REQUEST_ANNOTATION]: request } } };
        await client.patch(NODES, { name: this.#zone(deed.zone).nodeName }, { type: 'merge', body });
        return;
      }
      case 'delete lease':
        await client.delete(LEASES, { namespace: NAMESPACE, name: zoneLeaseName(SET, this.#zone(deed.zone).name) });
        return;
      case 'delete node lease':
        await client.delete(LEASES, { namespace: 'kube-node-lease', name: this.#zone(deed.zone).nodeName });
        return;
      case 'delete node':
        await client.delete(NODES, { name: this.#zone(deed.zone).nodeName });
        return;
      case 'edit epoch': {
        const body = { metadata: { annotations: { [EPOCH_ANNOTATION]: deed.epoch } } };
        await client.patch(NODES, { name: this.#zone(deed.zone).nodeName }, { type: 'merge', body });
        return;
      }
    }
  }

  #zone(index: number): Zone {
    const zone = this.#world.zones[index];
    if (zone === undefined) throw new Error(`there is no zone ${index}`);
    return zone;
  }
}

function pod(
  name: string,
  { nodeName }: Zone,
  behaviour: Behaviour,
  restartPolicy: 'Always' | 'OnFailure' | 'Never',
  secret: boolean,
): Pod {
  return {
    metadata: { namespace: DEFAULT, name, annotations: behaviourAnnotations(behaviour) },
    spec: { ...podSpec(restartPolicy, secret), nodeName },
  };
}

function podSpec(restartPolicy: 'Always' | 'OnFailure' | 'Never', secret: boolean): NonNullable<Pod['spec']> {
  const env = [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'secret', key: 'password' } } }];
  return {
    restartPolicy,
    tolerations: [{ operator: 'Exists', key: 'virtual-kubelet.io/provider' }],
    containers: [{ name: 'main', image: 'registry.example/app:1', ...(secret ? { env } : {}) }],
  };
}
