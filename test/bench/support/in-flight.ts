/** So many at once, and no more. */

/** As the replica's pod workers (`src/pods/controller.ts`), so that floor and subject ask the same of the API server. */
export const IN_FLIGHT = 32;

/** Runs `work` on every item, `IN_FLIGHT` at a time; ends at the first failure, or when the signal aborts. */
export async function inFlight<T>(
  items: readonly T[],
  signal: AbortSignal,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      signal.throwIfAborted();
      const index = next++;
      await work(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, items.length) }, worker));
}
