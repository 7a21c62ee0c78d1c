/** What people are told of a pod's life as Events, in the kubelet's words (pkg/kubelet/kuberuntime, events, prober). */
import type { ContainerRecord, StopReason } from './record.ts';

export interface Telling {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

export function killing({ name }: ContainerRecord, why: StopReason, again: boolean): Telling {
  const then = again ? ', will be restarted' : '';
  const messages: Record<StopReason, string> = {
    pod: `Stopping container ${name}`,
    liveness: `Container ${name} failed liveness probe${then}`,
    startup: `Container ${name} failed startup probe${then}`,
    postStart: 'FailedPostStartHook',
    image: `Container ${name} definition changed${then}`,
  };
  return { type: 'Normal', reason: 'Killing', message: messages[why] };
}

/** Without the hook's own words: they may hold a secret. */
export const POST_START_FAILED: Telling = {
  type: 'Warning',
  reason: 'FailedPostStartHook',
  message: 'PostStartHook failed',
};
export const PRE_STOP_FAILED: Telling = { type: 'Warning', reason: 'FailedPreStopHook', message: 'PreStopHook failed' };
