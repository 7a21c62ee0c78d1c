/** Source: pkg/registry/coordination/lease, pkg/apis/coordination/validation. */
import type { Lease } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { type FieldProblem, invalidValue } from '../failure.ts';
import { dnsSubdomain } from '../validation/names.ts';
import { type Kind, ordinary } from './kind.ts';

export const leases: Kind = {
  ...ordinary,
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  singular: 'lease',
  kind: 'Lease',
  namespaced: true,
  nameCheck: dnsSubdomain,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  complete(object: ApiObject) {
    const { spec } = object as Lease;
    // Coordinated leader election is off by default: its fields are dropped.
    delete spec?.strategy;
    delete spec?.preferredHolder;
  },
  problems(object: ApiObject) {
    const { spec } = object as Lease;
    const problems: FieldProblem[] = [];
    const { leaseDurationSeconds, leaseTransitions } = spec ?? {};
    if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
      problems.push(invalidValue('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'));
    }
    if (leaseTransitions !== undefined && leaseTransitions < 0) {
      const why = 'must be greater than or equal to 0';
      problems.push(invalidValue('spec.leaseTransitions', leaseTransitions, why));
    }
    return problems;
  },
};
