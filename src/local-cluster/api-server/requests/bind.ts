/** `pods/binding`, and `bindings` of old. Source: pkg/registry/core/pod/storage (BindingREST). */
import type { V1Binding } from '@kubernetes/client-node';
import { formatTime } from '../../../kube/micro-time.ts';
import type { Pod, Wire } from '../../../kube/types.ts';
import { copyTopologyLabels } from '../admission/topology-labels.ts';
import { badRequest, conflict, notFound, notSupported, plainError } from '../failure.ts';
import { pods } from '../kinds/pods.ts';
import { readBody } from '../media-types.ts';
import type { ServerContext } from '../server-context.ts';
import { type Call, canonical, decodeAs, isDryRun, subjectOf, workingCopy } from './call.ts';

const CONFLICT_SUBJECT = { group: '', resource: 'pods/binding' };

export function bindPod(server: ServerContext, call: Call): void {
  const { request, namespace = '' } = call;
  const body = readBody(request);
  const object = decodeAs('Binding', 'v1', body, call);
  const binding = object as unknown as Wire<V1Binding>;
  const name = call.name ?? object.metadata.name ?? '';
  if (object.metadata.name !== name) throw badRequest('name in URL does not match name in Binding object');
  const { target } = binding;
  const kinds = ['Node', '<empty>'];
  if ((target.kind ?? '') !== '' && target.kind !== 'Node') {
    throw plainError(`target.kind: ${notSupported('', target.kind, kinds).message}`);
  }
  if ((target.name ?? '') === '') {
    throw plainError('target.name: Required value');
  }
  const key = `${namespace}/${name}`;
  const stored = server.store.collection('pods').get(key);
  if (stored === undefined) throw notFound(subjectOf(pods), name);
  const { uid, resourceVersion, annotations, labels } = object.metadata;
  const { metadata } = stored.object;
  if (uid !== undefined && uid !== metadata.uid) {
    throw preconditionFailed(key, `UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`);
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`;
    throw preconditionFailed(key, why);
  }
  const pod = workingCopy(stored) as Pod;
  const { spec = { containers: [] }, status = {} } = pod;
  if (pod.metadata?.deletionTimestamp !== undefined) {
    throw conflict(CONFLICT_SUBJECT, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if ((spec.nodeName ?? '') !== '') {
    throw conflict(CONFLICT_SUBJECT, name, `pod ${name} is already assigned to node "${spec.nodeName}"`);
  }
  if ((spec.schedulingGates ?? []).length > 0) {
    throw conflict(CONFLICT_SUBJECT, name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
  spec.nodeName = target.name ?? '';
  delete status.nominatedNodeName;
  pod.metadata = {
    ...pod.metadata,
    annotations: { ...pod.metadata?.annotations, ...annotations },
    labels: { ...pod.metadata?.labels, ...labels },
  };
  copyTopologyLabels(server.store, pod, spec.nodeName);
  const scheduled = {
    type: 'PodScheduled',
    status: 'True',
    lastTransitionTime: formatTime(server.clock.now()),
  };
  pod.status = {
    ...status,
    conditions: [...(status.conditions ?? []).filter(({ type }) => type !== 'PodScheduled'), scheduled],
  };
  if (isDryRun(call)) return;
  server.store.put('pods', key, canonical(pods, pod as typeof object));
}

function preconditionFailed(key: string, why: string): Error {
  const name = key.slice(key.indexOf('/') + 1);
  const where = `StorageError: invalid object, Code: 4, Key: /registry/pods/${key}, ResourceVersion: 0`;
  return conflict(subjectOf(pods), name, `${where}, AdditionalErrorMsg: Precondition failed: ${why}`);
}
