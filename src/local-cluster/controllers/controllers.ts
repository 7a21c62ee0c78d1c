/** The controllers of the local cluster: ordinary clients of its API, as in Kubernetes, one file for each concern. */
import { type ControllerOptions, createContext } from './context.ts';
import { runDeployments } from './deployment.ts';
import { runGarbageCollection } from './garbage-collection.ts';
import { type NodeLifecycleSettings, runNodeLifecycle } from './node-lifecycle.ts';
import { runPodCollection } from './pod-collection.ts';
import { runReplicaSets } from './replica-set.ts';
import { runScheduler } from './scheduler/scheduler.ts';
import { runTaintEviction } from './taint-eviction.ts';

export interface ControllersOptions extends ControllerOptions {
  /** So that tests need not wait for a minute. */
  readonly settings?: NodeLifecycleSettings;
}

/** Runs all of them until the signal aborts. Never throws. */
export async function runControllers(options: ControllersOptions, signal: AbortSignal): Promise<void> {
  const context = createContext(options);
  // Before the caches run, so that every recorder is there.
  const controllers = [
    runScheduler(context),
    runReplicaSets(context),
    runDeployments(context),
    runNodeLifecycle(context, options.settings ?? {}),
    runTaintEviction(context),
    runGarbageCollection(context),
    runPodCollection(context),
  ];
  const caches = context.run(signal);
  try {
    await context.synced(signal);
  } catch {
    // Only the signal ends the wait.
    await caches;
    return;
  }
  await Promise.all([caches, ...controllers.map((run) => run(signal))]);
}

/** A controller: what it returns is run once the caches have been filled, and runs until the signal aborts. */
export type Controller = (signal: AbortSignal) => Promise<void>;
