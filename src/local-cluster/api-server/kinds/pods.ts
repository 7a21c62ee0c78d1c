/** Source: pkg/registry/core/pod/strategy.go, pkg/apis/core/validation (ValidatePodCreate, ValidatePodUpdate). */
import { formatTime } from '../../../kube/micro-time.ts';
import type { Pod } from '../../../kube/types.ts';
import { sameJson } from '../api-object.ts';
import { type FieldProblem, forbiddenField, invalidValue } from '../failure.ts';
import { immutableField } from '../validation/metadata.ts';
import { dnsSubdomain } from '../validation/names.ts';
import { podSpecProblems } from '../validation/pod-spec.ts';
import { type Kind, ordinary } from './kind.ts';
import { completePodOnly, completePodSpec, type PodSpec } from './pod-defaults.ts';
import { podStatus } from './pod-status.ts';
import { qualityOfService } from './quality-of-service.ts';

/** Fields that an update may change, as the message lists them. */
const UPDATABLE =
  '`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

export const pods: Kind = {
  ...ordinary,
  group: '',
  version: 'v1',
  plural: 'pods',
  singular: 'pod',
  kind: 'Pod',
  namespaced: true,
  shortNames: ['po'],
  categories: ['all'],
  nameCheck: dnsSubdomain,
  returnsDeleted: true,
  fieldLabels: {
    'spec.nodeName': (object) => (object as Pod).spec?.nodeName ?? '',
    'spec.host': (object) => (object as Pod).spec?.nodeName ?? '',
    'spec.restartPolicy': (object) => (object as Pod).spec?.restartPolicy ?? '',
    'spec.schedulerName': (object) => (object as Pod).spec?.schedulerName ?? '',
    'spec.serviceAccountName': (object) => (object as Pod).spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (object) => String((object as Pod).spec?.hostNetwork ?? false),
    'status.phase': (object) => (object as Pod).status?.phase ?? '',
    'status.podIP': (object) => (object as Pod).status?.podIP ?? '',
    'status.podIPs': (object) => (object as Pod).status?.podIPs?.[0]?.ip ?? '',
    'status.nominatedNodeName': (object) => (object as Pod).status?.nominatedNodeName ?? '',
  },
  generation: (next, old) => !sameJson((next as Pod).spec, (old as Pod).spec),
  complete(object) {
    const { spec } = object as Pod;
    if (spec === undefined) return;
    completePodSpec(spec);
    completePodOnly(spec);
  },
  prepareCreate(object, { clock }) {
    const pod = object as Pod;
    const gated = (pod.spec?.schedulingGates ?? []).length > 0;
    pod.status = {
      phase: 'Pending',
      ...(pod.spec === undefined ? {} : { qosClass: qualityOfService(pod.spec) }),
      ...(gated ? { conditions: [{ ...GATED, lastTransitionTime: formatTime(clock.now()) }] } : {}),
    };
  },
  problems(object) {
    const { spec } = object as Pod;
    return spec === undefined ? [] : [...podSpecProblems(spec, 'spec'), ...gateProblems(spec)];
  },
  prepareUpdate(next, old) {
    (next as Pod).status = (old as Pod).status ?? {};
  },
  updateProblems(next, old) {
    const { spec } = next as Pod;
    const { spec: oldSpec } = old as Pod;
    return spec === undefined || oldSpec === undefined ? [] : specUpdateProblems(spec, oldSpec);
  },
  status: podStatus,
  graceSeconds(object, requested) {
    const { spec, status } = object as Pod;
    if ((spec?.nodeName ?? '') === '') return 0;
    if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return 0;
    const period = requested ?? spec?.terminationGracePeriodSeconds ?? 0;
    return period < 0 ? 1 : period;
  },
};

const GATED = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
} as const;

function gateProblems({ nodeName = '', schedulingGates = [] }: PodSpec): FieldProblem[] {
  if (nodeName === '' || schedulingGates.length === 0) return [];
  return [forbiddenField('spec.nodeName', 'cannot be set until all schedulingGates have been cleared')];
}

function specUpdateProblems(spec: PodSpec, old: PodSpec): FieldProblem[] {
  if (sameJson(spec, old)) return [];
  const problems: FieldProblem[] = [];
  for (const list of ['containers', 'initContainers'] as const) {
    if ((spec[list] ?? []).length !== (old[list] ?? []).length) {
      problems.push(forbiddenField(`spec.${list}`, 'pod updates may not add or remove containers'));
      return problems;
    }
  }
  const { activeDeadlineSeconds: deadline } = spec;
  const { activeDeadlineSeconds: oldDeadline } = old;
  if (deadline === undefined && oldDeadline !== undefined) {
    const why = 'must not update from a positive integer to nil value';
    problems.push(invalidValue('spec.activeDeadlineSeconds', null, why));
  } else if (deadline !== undefined && oldDeadline !== undefined && deadline > oldDeadline) {
    const why = 'must be less than or equal to previous value';
    return [...problems, invalidValue('spec.activeDeadlineSeconds', deadline, why)];
  }
  // Tolerations may come, and the seconds of one may change, but none may go.
  const tolerations = spec.tolerations ?? [];
  const kept = (old.tolerations ?? []).every((toleration) =>
    tolerations.some((one) => sameJson({ ...one, tolerationSeconds: 0 }, { ...toleration, tolerationSeconds: 0 })),
  );
  if (!kept)
    problems.push(
      forbiddenField('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'),
    );
  const gates = (spec.schedulingGates ?? []).filter(
    ({ name }) => !old.schedulingGates?.some((gate) => gate.name === name),
  );
  for (const { name } of gates) {
    problems.push(
      forbiddenField('spec.schedulingGates', `only deletion is allowed, but found new scheduling gate '${name}'`),
    );
  }
  const gated = (old.schedulingGates ?? []).length > 0;
  const munged: PodSpec = { ...spec };
  for (const list of ['containers', 'initContainers'] as const) {
    const before = old[list];
    if (spec[list] !== undefined && before !== undefined) {
      munged[list] = spec[list].map((container, i) => ({ ...container, image: before[i]?.image ?? '' }));
    }
  }
  restore(munged, old, 'activeDeadlineSeconds');
  restore(munged, old, 'schedulingGates');
  restore(munged, old, 'tolerations');
  if (gated) {
    const removed = Object.entries(old.nodeSelector ?? {}).some(([key, value]) => spec.nodeSelector?.[key] !== value);
    if (removed) problems.push(...immutableField('spec.nodeSelector', spec.nodeSelector, old.nodeSelector));
    restore(munged, old, 'nodeSelector');
  }
  if (!sameJson(munged, old)) {
    problems.push(forbiddenField('spec', `pod updates may not change fields other than ${UPDATABLE}\n`));
  }
  return problems;
}

function restore<K extends keyof PodSpec>(spec: PodSpec, old: PodSpec, field: K): void {
  const before = old[field];
  if (before === undefined) delete spec[field];
  else spec[field] = before;
}
