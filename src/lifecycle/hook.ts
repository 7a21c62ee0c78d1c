/** Runs a postStart or preStop hook, as the kubelet does (pkg/kubelet/lifecycle/handlers.go). */
import { type Clock, sleep } from '../clock.ts';
import type { Container } from '../kube/types.ts';
import { httpGet, httpTarget } from './http-get.ts';
import type { Reach } from './reach.ts';

export type Hook = NonNullable<NonNullable<Container['lifecycle']>['preStop']>;

export interface HookOptions {
  readonly container: Container;
  readonly address: string;
  readonly reach: Reach;
  readonly clock: Clock;
  /** Ends it: the container has ended, or is not waited for any more. */
  readonly signal: AbortSignal;
}

/** True when it failed. Never throws. */
export async function runHook(hook: Hook, options: HookOptions): Promise<boolean> {
  const { container, address, reach, clock, signal } = options;
  try {
    if (hook.exec !== undefined) {
      const { exitCode } = await reach.exec(container.name, hook.exec.command ?? [], signal);
      return exitCode !== 0;
    }
    if (hook.httpGet !== undefined) {
      // Any answer is an answer: a hook's status code is not looked at.
      await httpGet(reach, httpTarget(hook.httpGet, container, address), signal);
      return false;
    }
    if (hook.sleep !== undefined) {
      await sleep(clock, hook.sleep.seconds * 1000, signal);
      return false;
    }
    return true;
  } catch {
    return true;
  }
}
