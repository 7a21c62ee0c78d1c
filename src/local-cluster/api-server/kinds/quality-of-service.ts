/** A pod's class of service. Source: pkg/apis/core/helper/qos/qos.go. */
import { compareQuantities, quantity } from '../../../quantity.ts';
import { allContainers, type PodSpec } from './pod-defaults.ts';

const COUNTED = ['cpu', 'memory'] as const;

export function qualityOfService(spec: PodSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const parts = spec.resources === undefined ? allContainers(spec).map(({ resources }) => resources) : [spec.resources];
  const isSet = (value: string | undefined): value is string => value !== undefined && quantity(value).nanos > 0n;
  let asksAnything = false;
  let isGuaranteed = true;
  for (const resources of parts) {
    for (const name of COUNTED) {
      const request = resources?.requests?.[name];
      const limit = resources?.limits?.[name];
      if (isSet(request) || isSet(limit)) asksAnything = true;
      if (!isSet(limit) || (isSet(request) && compareQuantities(request, limit) !== 0)) isGuaranteed = false;
    }
  }
  if (!asksAnything) return 'BestEffort';
  return isGuaranteed ? 'Guaranteed' : 'Burstable';
}
