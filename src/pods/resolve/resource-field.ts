/**
 * A container's resources as values (`resourceFieldRef`). A limit that is not set is the pod's, then what the node has to
 * give; a request that is not set is 0. Both as a kubelet counts: rounded up to whole divisors
 * (https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#downwardapi-resourceFieldRef).
 */
import type { Container, Pod } from '../../kube/types.ts';
import type { Resources } from '../../provider/contract.ts';
import { quantity, quantityMilliValue, quantityValue } from '../../quantity.ts';
import { Missing } from './missing.ts';

export interface ResourceField {
  /** Left out: the container that asks. */
  readonly containerName?: string;
  /** Such as `limits.cpu`. */
  readonly resource: string;
  readonly divisor?: string;
}

/** Never overcommitted, so that a node's whole is a sensible limit. */
const DEFAULTED = new Set(['cpu', 'memory', 'ephemeral-storage']);
/** What limits of a pod as a whole may be of. */
const OF_POD = new Set(['cpu', 'memory']);

const SYNTAX = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/;

export function isResourceField(resource: string): boolean {
  return SYNTAX.test(resource);
}

/** `allocatable`: of the node. */
export function resourceField(
  pod: Pod,
  asking: Container | undefined,
  field: ResourceField,
  allocatable: Resources,
): string {
  const container = named(pod, field.containerName) ?? asking;
  if (container === undefined) throw new Missing(`container ${field.containerName ?? ''} not found`);
  const [, of, resource = ''] = SYNTAX.exec(field.resource) ?? [];
  if (of === undefined) throw new Missing(`Unsupported container resource : ${field.resource}`);
  const amount =
    of === 'requests' ? container.resources?.requests?.[resource] : limitOf(pod, container, resource, allocatable);
  const divisor = isZero(field.divisor) ? '1' : (field.divisor ?? '1');
  const whole = resource === 'cpu' ? quantityMilliValue : quantityValue;
  return String(Math.ceil(whole(amount ?? '0') / whole(divisor)));
}

function named(pod: Pod, name: string | undefined): Container | undefined {
  if (name === undefined || name === '') return undefined;
  const { containers = [], initContainers = [] } = pod.spec ?? {};
  const found = [...containers, ...initContainers].find((container) => container.name === name);
  if (found === undefined) throw new Missing(`container ${name} not found`);
  return found;
}

function limitOf(pod: Pod, container: Container, resource: string, allocatable: Resources): string | undefined {
  const own = container.resources?.limits?.[resource];
  if (!isZero(own) || !DEFAULTED.has(resource)) return own;
  const ofNode = allocatable[resource];
  const ofPod = OF_POD.has(resource) ? pod.spec?.resources?.limits?.[resource] : undefined;
  return isZero(ofPod) || ofNode === undefined ? ofNode : ofPod;
}

function isZero(amount: string | undefined): boolean {
  return amount === undefined || quantity(amount).nanos === 0n;
}
