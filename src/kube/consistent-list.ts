/** A whole selection of objects as the server has it at one moment, which is not before the call. */
import { hasCode } from '../errors.ts';
import type { KubeClient, Selection } from './client.ts';
import type { Resource } from './resources.ts';
import type { KubeObject } from './types.ts';

/** Small enough to be parsed in some 20 ms, in which nothing else runs. */
const PAGE = 500;
/** Above the worst that a busy API server takes for a list. */
const TIMEOUT_MS = 30_000;

export interface WholeList<T> {
  readonly items: T[];
  readonly resourceVersion: string;
}

/**
 * Reads page by page, without a resourceVersion: served from a stale cache, a list has made kubelets restart deleted
 * pods (kubernetes#59848). `keep` is applied to each page as it arrives, so that only what is kept takes memory.
 */
export async function readAll<T extends KubeObject>(
  client: KubeClient,
  of: Resource<T>,
  selection: Selection,
  keep: (object: T) => T,
): Promise<WholeList<T>> {
  const call = { timeoutMs: TIMEOUT_MS, ...selection };
  const first = await client.list(of, { ...call, limit: PAGE });
  const items = first.items.map((item) => keep(item));
  try {
    for (let token = first.continue; token !== undefined; ) {
      const page = await client.list(of, { ...call, limit: PAGE, continue: token });
      for (const item of page.items) items.push(keep(item));
      token = page.continue;
    }
  } catch (error) {
    if (!hasCode(error, 'Expired')) throw error;
    // The first page is too old by now: all of it at once.
    const whole = await client.list(of, call);
    return { items: whole.items.map((item) => keep(item)), resourceVersion: whole.resourceVersion };
  }
  return { items, resourceVersion: first.resourceVersion };
}
