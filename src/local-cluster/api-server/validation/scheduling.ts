/** Tolerations and spread constraints. Source: pkg/apis/core/validation (ValidateTolerations, ...). */
import type { V1Toleration, V1TopologySpreadConstraint } from '@kubernetes/client-node';
import type { Wire } from '../../../kube/types.ts';
import { duplicate, type FieldProblem, invalidValue, notSupported, required } from '../failure.ts';
import { labelValue, qualifiedName } from './names.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];
const WHEN = ['DoNotSchedule', 'ScheduleAnyway'];

export function tolerationProblems(tolerations: readonly Wire<V1Toleration>[], path: string): FieldProblem[] {
  return tolerations.flatMap(({ key = '', operator = '', value = '', effect = '', tolerationSeconds }, i) => {
    const at = `${path}[${i}]`;
    const problems: FieldProblem[] = [];
    const keyComplaint = key === '' ? undefined : qualifiedName(key);
    if (keyComplaint !== undefined) problems.push(invalidValue(`${at}.key`, key, keyComplaint));
    if (key === '' && operator !== 'Exists') {
      const why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
      problems.push(invalidValue(`${at}.operator`, operator, why));
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      const why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
      problems.push(invalidValue(`${at}.effect`, effect, why));
    }
    if (operator === 'Equal' || operator === '') {
      const complaint = labelValue(value);
      if (complaint !== undefined) problems.push(invalidValue(`${at}.operator`, value, complaint));
    } else if (operator === 'Exists') {
      if (value !== '') {
        problems.push(invalidValue(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'"));
      }
    } else problems.push(notSupported(`${at}.operator`, operator, ['Equal', 'Exists']));
    if (effect !== '' && !EFFECTS.includes(effect)) problems.push(notSupported(`${at}.effect`, effect, EFFECTS));
    return problems;
  });
}

export function topologyProblems(
  constraints: readonly Wire<V1TopologySpreadConstraint>[],
  path: string,
): FieldProblem[] {
  const seen = new Set<string>();
  return constraints.flatMap(({ maxSkew, topologyKey, whenUnsatisfiable, minDomains }, i) => {
    const at = `${path}[${i}]`;
    const problems: FieldProblem[] = [];
    if (maxSkew <= 0) problems.push(invalidValue(`${at}.maxSkew`, maxSkew, 'must be greater than zero'));
    if (topologyKey === '') problems.push(required(`${at}.topologyKey`, 'can not be empty'));
    else {
      const complaint = qualifiedName(topologyKey);
      if (complaint !== undefined) problems.push(invalidValue(`${at}.topologyKey`, topologyKey, complaint));
    }
    if (!WHEN.includes(whenUnsatisfiable)) {
      problems.push(notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, WHEN));
    }
    if (minDomains !== undefined && minDomains <= 0) {
      problems.push(invalidValue(`${at}.minDomains`, minDomains, 'must be greater than 0'));
    }
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (seen.has(pair)) problems.push(duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair));
    seen.add(pair);
    return problems;
  });
}
