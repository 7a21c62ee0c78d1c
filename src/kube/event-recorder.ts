/** Kubernetes Events: aggregated, bounded, lowest priority, dropped first; recording one never blocks or fails the caller. */
import type { KubeObject } from './types.ts';

export interface EventRecorder {
  /** `about` needs apiVersion, kind and metadata (uid, name, namespace). `reason` is CamelCase; `message` at most 1,024 bytes are kept. */
  record(about: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}
