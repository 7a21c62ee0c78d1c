/** The configuration after loading: every default filled in, every duration in milliseconds, every path absolute. */
import type { LogLevel } from '../log.ts';
import type { RedisAddress } from '../redis/address.ts';

export interface TaintConfig {
  readonly key: string;
  readonly value?: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

export interface ZoneConfig {
  readonly name: string;
  readonly region: string;
  readonly nodeName: string;
  /** As written; the provider's own module has checked it. */
  readonly provider: { readonly kind: string; readonly [option: string]: unknown };
  /** Quantities by resource; undefined: what the provider reports. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** What pods may have of the hosts behind the backend. */
  readonly allow: {
    readonly hostNetwork: boolean;
    readonly hostPID: boolean;
    readonly hostIPC: boolean;
    readonly hostPorts: boolean;
    readonly privileged: boolean;
    readonly hostPaths: readonly string[];
  };
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly TaintConfig[];
}

export interface RedisConfig {
  readonly servers: readonly RedisAddress[];
  readonly keyPrefix: string;
  readonly credentials: { readonly username?: string; readonly password?: string; readonly passwordFile?: string };
  readonly tls: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
}

export interface Config {
  /** Absolute path of the file it came from. */
  readonly file: string;
  readonly set: string;
  /** Undefined: the replica's own namespace, else `default`. */
  readonly namespace?: string;
  /** Absolute path; undefined: in-cluster, then $KUBECONFIG, then ~/.kube/config. */
  readonly kubeconfig?: string;
  readonly replica: {
    readonly name: string;
    /** The pod's UID; undefined: no fast path on proof of death. */
    readonly uid?: string;
    /** Undefined: the pod's only one. */
    readonly container?: string;
    /** Undefined: the zone label of the node that the replica runs on. */
    readonly homeZone?: string;
  };
  readonly zones: readonly ZoneConfig[];
  readonly election: {
    readonly by: 'lease' | 'redis';
    readonly leaseDurationMs: number;
    readonly renewDeadlineMs: number;
    readonly retryPeriodMs: number;
    readonly onPeerDeath: 'auto' | 'off' | 'always';
    readonly handBack: { readonly mode: 'auto' | 'manual' | 'never'; readonly afterMs: number };
  };
  /** Undefined: nothing uses Redis. */
  readonly redis?: RedisConfig;
  /** Where the pod state is kept. */
  readonly state: { readonly by: 'kubernetes' } | { readonly by: 'redis'; readonly server: RedisAddress };
  readonly fence: {
    /** What a policy in the API server does with statuses of an epoch that is over; with `off` there is none. */
    readonly admissionPolicy: 'off' | 'warn' | 'enforce';
  };
  /** What happens to a zone's pods when its backend is down. */
  readonly onZoneDown: { readonly policy: 'hold' | 'evict'; readonly afterMs: number };
  readonly kubelet: {
    readonly address: string;
    readonly port: number;
    readonly certificate:
      | { readonly by: 'self-signed' | 'csr' }
      | { readonly by: 'files'; readonly certFile: string; readonly keyFile: string };
  };
  readonly peers: { readonly address: string; readonly port: number };
  readonly http: { readonly port: number };
  readonly log: { readonly level: LogLevel; readonly format: 'json' | 'text' };
}
