/**
 * The start of a term, when its fence is raised: the pod cache made as fresh as a consistent read, the backend listed,
 * the two merged. What runs is adopted as it is; nothing is created, deleted or written before that.
 */
import { sleep } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { listBackend } from './backend-view.ts';
import type { PodContext } from './context.ts';
import type { Orphans } from './orphans.ts';

/** Between two tries while something does not answer, in milliseconds. */
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;

/** The pod cache is as fresh as a consistent read begun now; false when the term ended before. */
export async function refreshCache(context: PodContext): Promise<boolean> {
  return (
    (await retried(context, 'could not read the pods', () => context.informer.refresh(context.signal))) !== undefined
  );
}

/** One try: what the backend shows is merged. True when its list was complete. */
export async function firstLook(context: PodContext, orphans: Orphans): Promise<boolean> {
  try {
    return (await listBackend(context, orphans)) !== undefined;
  } catch (error) {
    context.log.warn({ error: messageOf(error) }, 'could not list the backend; nothing is concluded from that');
    return false;
  }
}

/** Goes on until the backend's complete list was merged; false when the term ended before. */
export async function completeLook(context: PodContext, orphans: Orphans): Promise<boolean> {
  const listed = await retried(context, 'could not list the backend', async () => {
    if ((await listBackend(context, orphans)) === undefined) throw new Error('the list is not complete');
  });
  return listed !== undefined;
}

async function retried(context: PodContext, what: string, run: () => Promise<void>): Promise<true | undefined> {
  for (let pause = RETRY_MIN_MS; !context.signal.aborted; pause = Math.min(pause * 2, RETRY_MAX_MS)) {
    try {
      await run();
      return true;
    } catch (error) {
      if (context.signal.aborted) break;
      context.log.warn({ error: messageOf(error) }, what);
    }
    await sleep(context.clock, pause, context.signal);
  }
  return undefined;
}
