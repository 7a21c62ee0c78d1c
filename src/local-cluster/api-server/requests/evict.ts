/** `pods/eviction`. There are no PodDisruptionBudgets here, so nothing holds an eviction up. */
import type { V1Eviction } from '@kubernetes/client-node';
import { formatTime } from '../../../kube/micro-time.ts';
import type { Pod, Wire } from '../../../kube/types.ts';
import { badRequest, notFound } from '../failure.ts';
import { pods } from '../kinds/pods.ts';
import { readBody } from '../media-types.ts';
import type { ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { type Call, canonical, decodeAs, isDryRun, subjectOf, workingCopy } from './call.ts';
import { type DeleteOptions, deleteStored } from './delete.ts';

export function evictPod(server: ServerContext, call: Call): void {
  const { request, namespace = '', name = '' } = call;
  const object = decodeAs('Eviction', 'policy/v1', readBody(request), call);
  if (object.metadata.name !== name) throw badRequest('name in URL does not match name in Eviction object');
  const stored = server.store.collection('pods').get(`${namespace}/${name}`);
  if (stored === undefined) throw notFound(subjectOf(pods), name);
  const { deleteOptions } = object as unknown as Wire<V1Eviction>;
  const options: DeleteOptions = {
    ...(deleteOptions as DeleteOptions | undefined),
    ...(isDryRun(call) ? { dryRun: ['All'] } : {}),
  };
  const marked = (options.dryRun ?? []).length > 0 ? stored : markDisrupted(server, stored);
  const { preconditions } = options;
  // The mark has changed the resourceVersion that the caller asked for.
  const unchanged = preconditions?.resourceVersion === stored.object.metadata.resourceVersion;
  const { uid } = preconditions ?? {};
  deleteStored(
    server,
    pods,
    marked,
    unchanged ? { ...options, preconditions: uid === undefined ? {} : { uid } } : options,
  );
}

/** Says on the pod why it ends. */
function markDisrupted(server: ServerContext, stored: Stored): Stored {
  const pod = workingCopy(stored) as Pod;
  if (pod.metadata?.deletionTimestamp !== undefined) return stored;
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: formatTime(server.clock.now()),
  };
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== condition.type);
  pod.status = { ...pod.status, conditions: [...others, condition] };
  return server.store.put('pods', stored.key, canonical(pods, pod as Stored['object']));
}
