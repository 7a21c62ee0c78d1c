/** The status of a zone's Node: conditions, room, address and port of its leader. */
import type { Node, NodeCondition } from '../kube/types.ts';
import type { Resources, ZoneReport } from '../provider/contract.ts';
import { compareQuantities } from '../quantity.ts';
import { BACKEND_CONDITION } from './names.ts';
import type { NodeHealth } from './node-health.ts';

export interface NodeStatusInput {
  readonly nodeName: string;
  /** Address at which the API server reaches the leader's kubelet API of this zone. */
  readonly address: string;
  readonly kubeletPort: number;
  readonly os: string;
  readonly arch: string;
  /** Kind of provider; shown as the container runtime. */
  readonly runtime: string;
  readonly version: string;
  /** Capacity by configuration; undefined: what the provider reports. */
  readonly capacity: Resources | undefined;
  /** The last report of the provider; undefined before the first one. */
  readonly report: ZoneReport | undefined;
  readonly health: NodeHealth;
  /** RFC 3339. */
  readonly now: string;
}

/** The Kubernetes version whose kubelet behaviour is followed; tools read the node's version text as a semantic version. */
const KUBELET_VERSION = 'v1.36.0';

export interface Room {
  readonly capacity: Resources;
  readonly allocatable: Resources;
}

/**
 * Capacity and allocatable: the configuration's where it names a resource, else the backend's. A backend that does not
 * say now has not shrunk: what the Node has said so far stays. Undefined while nobody has ever said.
 */
export function room(
  capacity: Resources | undefined,
  report: ZoneReport | undefined,
  before: Node | undefined,
): Room | undefined {
  const told =
    report?.capacity === undefined
      ? { capacity: before?.status?.capacity, allocatable: before?.status?.allocatable }
      : { capacity: report.capacity, allocatable: report.allocatable ?? report.capacity };
  if (capacity === undefined && told.capacity === undefined) return undefined;
  return { capacity: { ...told.capacity, ...capacity }, allocatable: { ...told.allocatable, ...capacity } };
}

/** The whole status for a strategic merge patch: conditions of other types, and what else others wrote, stay. */
export function nodeStatus(input: NodeStatusInput, before: Node | undefined): NonNullable<Node['status']> {
  const { health } = input;
  const known = room(input.capacity, input.report, before);
  const previous = new Map((before?.status?.conditions ?? []).map((c) => [c.type, c]));
  const condition = (type: string, status: string, reason: string, message: string): NodeCondition => {
    const old = previous.get(type);
    const changed = old?.status !== status;
    return {
      type,
      status,
      reason,
      message,
      lastHeartbeatTime: input.now,
      lastTransitionTime: changed || old?.lastTransitionTime === undefined ? input.now : old.lastTransitionTime,
    };
  };
  const ready =
    known === undefined
      ? condition('Ready', 'False', 'CapacityUnknown', 'the backend has not said yet how much room it has')
      : health.notReady !== undefined
        ? condition('Ready', 'False', health.notReady.reason, health.notReady.message)
        : condition('Ready', 'True', 'KubeletReady', 'the zone has a leader');
  return {
    ...(known === undefined ? {} : { capacity: { ...known.capacity }, allocatable: offered(known, health) }),
    conditions: [
      ready,
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'the backend has not said otherwise'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'the backend has not said otherwise'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'the backend has not said otherwise'),
      condition('NetworkUnavailable', 'False', 'RouteCreated', "pods use the backend's network"),
      condition(BACKEND_CONDITION, health.backend.status, health.backend.reason, health.backend.message),
    ],
    addresses: [
      { type: 'InternalIP', address: input.address },
      { type: 'Hostname', address: input.nodeName },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: input.kubeletPort } },
    nodeInfo: {
      architecture: input.arch,
      operatingSystem: input.os,
      kubeletVersion: `${KUBELET_VERSION}-zonelet-${input.version}`,
      containerRuntimeVersion: `${input.runtime}://${input.version}`,
      osImage: `Zonelet ${input.version} (${input.runtime})`,
      bootID: '',
      kernelVersion: '',
      kubeProxyVersion: '',
      machineID: '',
      systemUUID: '',
    },
  };
}

function offered({ allocatable }: Room, { onlyAllocated }: NodeHealth): Record<string, string> {
  if (onlyAllocated === undefined) return { ...allocatable };
  const least = (resource: string, amount: string): string => {
    const allocated = onlyAllocated[resource] ?? '0';
    return compareQuantities(allocated, amount) < 0 ? allocated : amount;
  };
  return Object.fromEntries(Object.entries(allocatable).map(([name, amount]) => [name, least(name, amount)]));
}
