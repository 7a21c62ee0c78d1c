/** What kube-controller-manager and kube-scheduler have as flags, so far as it matters here; defaults as in Kubernetes 1.36. */

export interface ControllerSettings {
  /** `--node-monitor-period`. @defaultValue 5000 */
  readonly nodeMonitorPeriodMs?: number;
  /** `--node-monitor-grace-period`: without news of a node for so long, it is Unknown. @defaultValue 50000, as since 1.32 */
  readonly nodeMonitorGracePeriodMs?: number;
  /** `--node-startup-grace-period`: the same for a node that has never said anything. @defaultValue 60000 */
  readonly nodeStartupGracePeriodMs?: number;
  /** `--node-eviction-rate`: nodes per second and zone that get a NoExecute taint. @defaultValue 0.1 */
  readonly nodeEvictionRate?: number;
  /** `--secondary-node-eviction-rate`: the same in a large zone where many nodes are unhealthy. @defaultValue 0.01 */
  readonly secondaryNodeEvictionRate?: number;
  /** `--unhealthy-zone-threshold`: the share of nodes from which on a zone counts as unhealthy. @defaultValue 0.55 */
  readonly unhealthyZoneThreshold?: number;
  /** `--large-cluster-size-threshold`: zones up to this size are not evicted from at all while unhealthy. @defaultValue 50 */
  readonly largeClusterSize?: number;
  /** How often pods without a node are looked for. @defaultValue 20000 */
  readonly podCollectionPeriodMs?: number;
  /** How long a node has to be missing before its pods are deleted. @defaultValue 40000 */
  readonly missingNodeQuarantineMs?: number;
  /** `--terminated-pod-gc-threshold`: finished pods above this number are deleted, the oldest first; 0 for never. @defaultValue 12500 */
  readonly terminatedPodThreshold?: number;
}

export const DEFAULT_SETTINGS: Required<ControllerSettings> = {
  nodeMonitorPeriodMs: 5_000,
  nodeMonitorGracePeriodMs: 50_000,
  nodeStartupGracePeriodMs: 60_000,
  nodeEvictionRate: 0.1,
  secondaryNodeEvictionRate: 0.01,
  unhealthyZoneThreshold: 0.55,
  largeClusterSize: 50,
  podCollectionPeriodMs: 20_000,
  missingNodeQuarantineMs: 40_000,
  terminatedPodThreshold: 12_500,
};
