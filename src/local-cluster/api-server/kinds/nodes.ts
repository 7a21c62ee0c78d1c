/** Source: pkg/registry/core/node, pkg/apis/core/validation (ValidateNode, ValidateNodeUpdate). */
import type { Node, Taint } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { duplicate, type FieldProblem, forbiddenField, invalidValue, notSupported, required } from '../failure.ts';
import { immutableField } from '../validation/metadata.ts';
import { dnsSubdomain, labelValue, qualifiedName } from '../validation/names.ts';
import { type Kind, ordinary } from './kind.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export const nodes: Kind = {
  ...ordinary,
  group: '',
  version: 'v1',
  plural: 'nodes',
  singular: 'node',
  kind: 'Node',
  namespaced: false,
  shortNames: ['no'],
  nameCheck: dnsSubdomain,
  fieldLabels: {
    'spec.unschedulable': (object) => String((object as Node).spec?.unschedulable ?? false),
  },
  complete(object: ApiObject) {
    const { status } = object as Node;
    // Nothing is reserved unless the node says so.
    if (status?.capacity !== undefined && status.allocatable === undefined) status.allocatable = status.capacity;
  },
  problems(object: ApiObject) {
    const { spec, status } = object as Node;
    return [...taintProblems(spec?.taints ?? []), ...featureProblems(status?.declaredFeatures ?? [])];
  },
  prepareUpdate(next, old) {
    (next as Node).status = (old as Node).status ?? {};
  },
  updateProblems: (next, old) => [
    ...nodeUpdateProblems(next, old),
    ...taintProblems((next as Node).spec?.taints ?? []),
  ],
  status: {
    prepare(next, old) {
      (next as Node).spec = (old as Node).spec ?? {};
    },
    problems: nodeUpdateProblems,
  },
};

function nodeUpdateProblems(next: ApiObject, old: ApiObject): FieldProblem[] {
  const { spec = {}, status } = next as Node;
  const { spec: oldSpec = {} } = old as Node;
  const problems = featureProblems(status?.declaredFeatures ?? []);
  const seen = new Set<string>();
  for (const [i, address] of (status?.addresses ?? []).entries()) {
    const key = `${address.type} ${address.address}`;
    if (seen.has(key))
      problems.push(duplicate(`status.addresses[${i}]`, { Type: address.type, Address: address.address }));
    seen.add(key);
  }
  if ((oldSpec.podCIDRs?.length ?? 0) > 0 && immutableField('', spec.podCIDRs, oldSpec.podCIDRs).length > 0) {
    problems.push(forbiddenField('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'));
  }
  if ((oldSpec.providerID ?? '') !== '' && oldSpec.providerID !== spec.providerID) {
    problems.push(forbiddenField('spec.providerID', 'node updates may not change providerID except from "" to valid'));
  }
  if (spec.externalID !== oldSpec.externalID) problems.push(forbiddenField('spec.externalID', 'may not be updated'));
  return problems;
}

/** The path is what the API server says, although taints are in `spec`. */
function taintProblems(taints: readonly Taint[]): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const seen = new Set<string>();
  for (const [i, { key, value, effect }] of taints.entries()) {
    const path = `metadata.taints[${i}]`;
    const keyComplaint = key === '' ? 'name part must be non-empty' : qualifiedName(key);
    if (keyComplaint !== undefined) problems.push(invalidValue(`${path}.key`, key, keyComplaint));
    const valueComplaint = labelValue(value ?? '');
    if (valueComplaint !== undefined) problems.push(invalidValue(`${path}.value`, value, valueComplaint));
    if (effect === '') problems.push(required(`${path}.effect`));
    else if (!EFFECTS.includes(effect)) problems.push(notSupported(`${path}.effect`, effect, EFFECTS));
    const same = `${key} ${effect}`;
    if (seen.has(same)) {
      problems.push({
        ...duplicate(path, { key, value, effect }),
        message: `Duplicate value: ${JSON.stringify({ Key: key, Value: value ?? '', Effect: effect, TimeAdded: null })}: taints must be unique by key and effect pair`,
      });
    }
    seen.add(same);
  }
  return problems;
}

/** Sorted, each once, `UpperCamelCase` with parts after slashes. */
function featureProblems(features: readonly string[]): FieldProblem[] {
  return features.flatMap((feature, i) => {
    const path = `status.declaredFeatures[${i}]`;
    if (!/^[A-Z][A-Za-z0-9]*(\/[A-Za-z0-9]+)*$/.test(feature)) {
      return [
        invalidValue(
          path,
          feature,
          `invalid feature name "${feature}": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes`,
        ),
      ];
    }
    const before = features[i - 1];
    if (before === feature) return [duplicate(path, feature)];
    return before !== undefined && before > feature
      ? [invalidValue(path, feature, 'list must be sorted alphabetically')]
      : [];
  });
}
