/** Deployments and ReplicaSets. Source: pkg/registry/apps, pkg/apis/apps/validation, pkg/apis/apps/v1/defaults.go. */
import type { Deployment, ReplicaSet } from '../../../kube/types.ts';
import { type ApiObject, sameJson } from '../api-object.ts';
import { type FieldProblem, forbiddenField, invalidValue, notSupported, required } from '../failure.ts';
import { selectorText, structuredSelector } from '../selectors/labels.ts';
import { immutableField, labelProblems } from '../validation/metadata.ts';
import { dnsSubdomain } from '../validation/names.ts';
import { podSpecProblems } from '../validation/pod-spec.ts';
import { type Kind, ordinary, type PartialUpdate, type ScaleFields } from './kind.ts';
import { completePodSpec } from './pod-defaults.ts';

type Workload = Deployment | ReplicaSet;

const common = {
  ...ordinary,
  group: 'apps',
  version: 'v1',
  namespaced: true,
  categories: ['all'],
  nameCheck: dnsSubdomain,
} as const;

const scale: ScaleFields = {
  replicas: (object) => (object as Workload).spec?.replicas ?? 0,
  setReplicas(object, replicas) {
    const { spec } = object as Workload;
    if (spec !== undefined) spec.replicas = replicas;
  },
  statusReplicas: (object) => (object as Workload).status?.replicas ?? 0,
  selector: (object) => selectorText((object as Workload).spec?.selector),
};

export const replicaSets: Kind = {
  ...common,
  plural: 'replicasets',
  singular: 'replicaset',
  kind: 'ReplicaSet',
  shortNames: ['rs'],
  generation: (next, old) => !sameJson((next as ReplicaSet).spec, (old as ReplicaSet).spec),
  complete: completeWorkload,
  prepareCreate(object) {
    (object as ReplicaSet).status = { replicas: 0 };
  },
  problems: workloadProblems,
  prepareUpdate(next, old) {
    (next as ReplicaSet).status = (old as ReplicaSet).status ?? { replicas: 0 };
  },
  updateProblems: selectorStays,
  status: statusOf((next, old) => {
    (next as ReplicaSet).spec = (old as ReplicaSet).spec as NonNullable<ReplicaSet['spec']>;
  }),
  scale,
};

export const deployments: Kind = {
  ...common,
  plural: 'deployments',
  singular: 'deployment',
  kind: 'Deployment',
  shortNames: ['deploy'],
  generation: (next, old) =>
    !sameJson((next as Deployment).spec, (old as Deployment).spec) ||
    !sameJson(next.metadata.annotations, old.metadata.annotations),
  complete(object) {
    completeWorkload(object);
    const { spec } = object as Deployment;
    if (spec === undefined) return;
    const strategy = { ...spec.strategy };
    strategy.type ??= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      strategy.rollingUpdate = { maxUnavailable: '25%', maxSurge: '25%', ...strategy.rollingUpdate };
    }
    spec.strategy = strategy;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
  },
  prepareCreate(object) {
    (object as Deployment).status = {};
  },
  problems(object) {
    return [...workloadProblems(object), ...strategyProblems(object as Deployment)];
  },
  prepareUpdate(next, old) {
    (next as Deployment).status = (old as Deployment).status ?? {};
  },
  updateProblems: selectorStays,
  status: statusOf((next, old) => {
    (next as Deployment).spec = (old as Deployment).spec as NonNullable<Deployment['spec']>;
    if (old.metadata.labels === undefined) delete next.metadata.labels;
    else next.metadata.labels = old.metadata.labels;
  }),
  scale,
};

function completeWorkload(object: ApiObject): void {
  const { spec } = object as Workload;
  if (spec === undefined) return;
  spec.replicas ??= 1;
  if (spec.template?.spec !== undefined) completePodSpec(spec.template.spec);
}

function statusOf(prepare: PartialUpdate['prepare']): PartialUpdate {
  return {
    prepare,
    problems(next) {
      const status = { ...(next as Workload).status } as Readonly<Record<string, unknown>>;
      const total = typeof status.replicas === 'number' ? status.replicas : 0;
      const problems: FieldProblem[] = [];
      const counts = ['updatedReplicas', 'readyReplicas', 'availableReplicas', 'fullyLabeledReplicas'];
      for (const field of ['replicas', 'unavailableReplicas', 'observedGeneration', ...counts]) {
        const value = status[field];
        if (typeof value !== 'number') continue;
        if (value < 0) problems.push(invalidValue(`status.${field}`, value, 'must be greater than or equal to 0'));
        if (counts.includes(field) && value > total) {
          problems.push(invalidValue(`status.${field}`, value, 'cannot be greater than status.replicas'));
        }
      }
      const available = Number(status.availableReplicas ?? 0);
      if (available > Number(status.readyReplicas ?? 0)) {
        problems.push(invalidValue('status.availableReplicas', available, 'cannot be greater than readyReplicas'));
      }
      return problems;
    },
  };
}

function selectorStays(next: ApiObject, old: ApiObject): FieldProblem[] {
  return immutableField('spec.selector', (next as Workload).spec?.selector, (old as Workload).spec?.selector);
}

function workloadProblems(object: ApiObject): FieldProblem[] {
  const { spec } = object as Workload;
  const problems: FieldProblem[] = [];
  const { replicas = 0, selector, template, minReadySeconds = 0 } = spec ?? { selector: {} };
  if (replicas < 0) problems.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'));
  if (minReadySeconds < 0) {
    problems.push(invalidValue('spec.minReadySeconds', minReadySeconds, 'must be greater than or equal to 0'));
  }
  const mismatch = invalidValue(
    'spec.template.metadata.labels',
    template?.metadata?.labels ?? null,
    '`selector` does not match template `labels`',
  );
  if (selector === undefined || selector === null) problems.push(required('spec.selector'), mismatch);
  else {
    problems.push(...labelProblems(selector.matchLabels, 'spec.selector.matchLabels'));
    const count = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions ?? []).length;
    if (count === 0) problems.push(invalidValue('spec.selector', selector, 'empty selector is invalid for deployment'));
    else if (!structuredSelector(selector)(template?.metadata?.labels)) problems.push(mismatch);
  }
  const pod = template?.spec;
  if (pod === undefined) return [...problems, required('spec.template.spec')];
  problems.push(...labelProblems(template?.metadata?.labels, 'spec.template.labels'));
  problems.push(...podSpecProblems(pod, 'spec.template.spec'));
  if (['OnFailure', 'Never'].includes(pod.restartPolicy ?? '')) {
    problems.push(notSupported('spec.template.spec.restartPolicy', pod.restartPolicy, ['Always']));
  }
  if (pod.activeDeadlineSeconds !== undefined) {
    const why = 'activeDeadlineSeconds in ReplicaSet is not Supported';
    problems.push(forbiddenField('spec.template.spec.activeDeadlineSeconds', why));
  }
  return problems;
}

function strategyProblems({ spec }: Deployment): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { type = '', rollingUpdate } = spec?.strategy ?? {};
  if (type === 'Recreate') {
    if (rollingUpdate !== undefined) {
      const why = "may not be specified when strategy `type` is 'Recreate'";
      problems.push(forbiddenField('spec.strategy.rollingUpdate', why));
    }
  } else if (type === 'RollingUpdate') {
    const zero = (value: unknown): boolean => value === 0 || value === '0%';
    for (const field of ['maxUnavailable', 'maxSurge'] as const) {
      const value: unknown = rollingUpdate?.[field];
      const good = typeof value === 'number' ? value >= 0 : typeof value === 'string' && /^\d+%$/.test(value);
      if (!good) {
        const why =
          "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
        problems.push(
          invalidValue(
            `spec.strategy.rollingUpdate.${field}`,
            value,
            typeof value === 'number' ? 'must be greater than or equal to 0' : why,
          ),
        );
      }
    }
    if (zero(rollingUpdate?.maxUnavailable) && zero(rollingUpdate?.maxSurge)) {
      const why = 'may not be 0 when `maxSurge` is 0';
      problems.push(invalidValue('spec.strategy.rollingUpdate.maxUnavailable', rollingUpdate?.maxUnavailable, why));
    }
  } else
    problems.push(notSupported('spec.strategy', { Type: type, RollingUpdate: null }, ['Recreate', 'RollingUpdate']));
  const { progressDeadlineSeconds: deadline, minReadySeconds = 0 } = spec ?? {};
  if (deadline !== undefined && deadline <= minReadySeconds) {
    problems.push(invalidValue('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  }
  return problems;
}
