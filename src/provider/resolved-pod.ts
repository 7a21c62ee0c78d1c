/** The part of the provider contract that says what a pod is once every reference in it was resolved. */
import type { Pod } from '../kube/types.ts';
import type { PodRef } from './contract.ts';

/** A file of a volume. May hold a secret: its content is never logged. */
export interface VolumeFile {
  /** Relative to the volume, with `/`; has no empty part, no `.` and no `..`. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits, such as 0o644. */
  readonly mode: number;
}

/** All that is in a volume whose content Kubernetes gives: `configMap`, `secret`, `projected`, `downwardAPI`. */
export interface VolumeContent {
  readonly files: readonly VolumeFile[];
}

/** What a registry is told to let an image be pulled. */
export interface PullSecret {
  /** As the Secret names it: a host with or without port, path prefix, scheme or wildcard. */
  readonly registry: string;
  readonly username: string;
  readonly password: string;
}

/** Texts that stand for what is known only once the backend has given the pod its addresses. */
export interface PodIPMarkers {
  /** Of `status.podIP`: the first address. */
  readonly podIP: string;
  /** Of `status.podIPs`: all addresses, with commas. */
  readonly podIPs: string;
}

/** A pod with every reference resolved. */
export interface ResolvedPod {
  readonly ref: PodRef;
  /**
   * As the API has it, with `$(VAR)` in commands, arguments and `subPathExpr` replaced (the latter has become `subPath`).
   * `env` and `envFrom` of its containers are to be ignored in favour of `env` below.
   */
  readonly pod: Pod;
  /** Container name (init containers too) to its environment, in order. May hold secret values: never log it. */
  readonly env: Readonly<Record<string, readonly { readonly name: string; readonly value: string }[]>>;
  /**
   * Set where the pod asks for its own addresses: these texts stand for them in `env`, commands, arguments and `subPath`.
   * `withPodIPs` puts the addresses there. Only for backends with the capability `podIPsInEnvironment`.
   */
  readonly podIPMarkers?: PodIPMarkers;
  /** Name of the volume to what is in it, for those whose content Kubernetes gives; the other kinds are in `pod`. */
  readonly volumes: Readonly<Record<string, VolumeContent>>;
  /** Of the pod's own and its ServiceAccount's `imagePullSecrets`, in order: the first that names the registry most closely is tried first. */
  readonly pullSecrets: readonly PullSecret[];
  /**
   * Covers only the fields that may change in place, and no resolved value. Another hash for the same UID means update,
   * never conflict.
   */
  readonly hash: string;
}
