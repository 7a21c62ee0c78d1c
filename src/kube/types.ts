/**
 * Kubernetes objects as they are on the wire: client-node's `V1*` types with every date as the string that the API sends.
 * Types only: nothing of client-node is loaded at run time.
 */
import type {
  AuthenticationV1TokenRequest,
  CoreV1Event,
  V1CertificateSigningRequest,
  V1ConfigMap,
  V1Container,
  V1ContainerState,
  V1ContainerStatus,
  V1Deployment,
  V1Eviction,
  V1Lease,
  V1Namespace,
  V1Node,
  V1NodeCondition,
  V1ObjectMeta,
  V1OwnerReference,
  V1Pod,
  V1PodCondition,
  V1PodStatus,
  V1ReplicaSet,
  V1Secret,
  V1SelfSubjectReview,
  V1Service,
  V1Status,
  V1SubjectAccessReview,
  V1Taint,
  V1TokenReview,
} from '@kubernetes/client-node';

/** `T` with every `Date` as a string. */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer U)[]
    ? Wire<U>[]
    : T extends object
      ? { [K in keyof T]: Wire<T[K]> }
      : T;

export type ObjectMeta = Wire<V1ObjectMeta>;
export type OwnerReference = Wire<V1OwnerReference>;
export type Pod = Wire<V1Pod>;
export type PodStatus = Wire<V1PodStatus>;
export type PodCondition = Wire<V1PodCondition>;
export type Container = Wire<V1Container>;
export type ContainerState = Wire<V1ContainerState>;
export type ContainerStatus = Wire<V1ContainerStatus>;
export type Node = Wire<V1Node>;
export type NodeCondition = Wire<V1NodeCondition>;
export type Taint = Wire<V1Taint>;
export type Lease = Wire<V1Lease>;
export type CertificateSigningRequest = Wire<V1CertificateSigningRequest>;
export type ConfigMap = Wire<V1ConfigMap>;
export type Secret = Wire<V1Secret>;
export type Service = Wire<V1Service>;
export type TokenRequest = Wire<AuthenticationV1TokenRequest>;
export type Namespace = Wire<V1Namespace>;
export type Deployment = Wire<V1Deployment>;
export type ReplicaSet = Wire<V1ReplicaSet>;
export type Eviction = Wire<V1Eviction>;
export type Event = Wire<CoreV1Event>;
export type SelfSubjectReview = Wire<V1SelfSubjectReview>;
export type TokenReview = Wire<V1TokenReview>;
export type SubjectAccessReview = Wire<V1SubjectAccessReview>;
/** The API's own error object (`kind: Status`), not a pod's or node's status. */
export type ApiStatus = Wire<V1Status>;

/** What every API object has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}
