/** `pods/status`. Source: pkg/registry/core/pod/strategy.go (podStatusStrategy), ValidatePodStatusUpdate. */
import { isIP } from 'node:net';
import type { ContainerStatus, Pod } from '../../../kube/types.ts';
import { type FieldProblem, forbiddenField, invalidValue } from '../failure.ts';
import { immutableField } from '../validation/metadata.ts';
import { qualifiedName } from '../validation/names.ts';
import type { PartialUpdate } from './kind.ts';

export const podStatus: PartialUpdate = {
  prepare(next, old) {
    const pod = next as Pod;
    const before = old as Pod;
    pod.spec = before.spec ?? { containers: [] };
    if (before.metadata?.ownerReferences === undefined) delete next.metadata.ownerReferences;
    else next.metadata.ownerReferences = before.metadata.ownerReferences;
    delete next.metadata.deletionTimestamp;
    const status = pod.status ?? {};
    pod.status = status;
    if (status.qosClass === undefined && before.status?.qosClass !== undefined) {
      status.qosClass = before.status.qosClass;
    }
    if (status.observedGeneration === undefined && before.status?.observedGeneration !== undefined) {
      status.observedGeneration = before.status.observedGeneration;
    }
    for (const condition of status.conditions ?? []) {
      const seen = before.status?.conditions?.find(({ type }) => type === condition.type)?.observedGeneration;
      if (seen !== undefined) condition.observedGeneration ??= seen;
    }
  },
  problems(next, old) {
    const { status = {}, spec } = next as Pod;
    const { status: before = {} } = old as Pod;
    const problems: FieldProblem[] = [];
    for (const [i, { type }] of (status.conditions ?? []).entries()) {
      const complaint = qualifiedName(type);
      if (complaint !== undefined) problems.push(invalidValue(`status.conditions[${i}].Type`, type, complaint));
    }
    if (before.qosClass !== undefined)
      problems.push(...immutableField('status.qosClass', status.qosClass, before.qosClass));
    for (const list of ['podIPs', 'hostIPs'] as const) {
      for (const [i, { ip }] of (status[list] ?? []).entries()) {
        if (isIP(ip) === 0) {
          const why = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
          problems.push(invalidValue(`status.${list}[${i}]${list === 'podIPs' ? '' : '.ip'}`, ip, why));
        }
      }
      const single = list === 'podIPs' ? status.podIP : status.hostIP;
      const first = status[list]?.[0]?.ip;
      if (first !== undefined && single !== undefined && first !== single) {
        const why = `must be equal to ${list === 'podIPs' ? 'podIP' : 'hostIP'}`;
        problems.push(invalidValue(`status.${list}[0].ip`, first, why));
      }
    }
    if (spec?.restartPolicy !== 'Always') {
      problems.push(
        ...noResurrection(status.containerStatuses, before.containerStatuses, spec?.restartPolicy, 'containerStatuses'),
      );
    }
    return problems;
  },
};

/** A container that ended for good does not run again. */
function noResurrection(
  next: readonly ContainerStatus[] | undefined,
  old: readonly ContainerStatus[] | undefined,
  restartPolicy: string | undefined,
  list: string,
): FieldProblem[] {
  return (old ?? []).flatMap((before) => {
    const ended = before.state?.terminated;
    if (ended === undefined || (ended.exitCode !== 0 && restartPolicy === 'OnFailure')) return [];
    const i = next?.findIndex(({ name }) => name === before.name) ?? -1;
    const now = next?.[i];
    if (now === undefined || now.state?.terminated !== undefined) return [];
    return [forbiddenField(`status.${list}[${i}].state`, 'may not be transitioned to non-terminated state')];
  });
}
