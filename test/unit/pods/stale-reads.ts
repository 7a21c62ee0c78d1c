import type { Provider } from '../../../src/provider/contract.ts';

/** A backend whose reads lack everything while `behind`: lists that say that they are complete, gets, and a silent watch. */
export function staleReads() {
  const reads = {
    behind: false,
    wrap: (provider: Provider): Provider => ({
      ...provider,
      get: async (...given) => (reads.behind ? undefined : await provider.get(...given)),
      list: async (...given) => (reads.behind ? { pods: [], complete: true } : await provider.list(...given)),
      async *watch(owner, signal) {
        if (!reads.behind) yield* provider.watch(owner, signal);
        else await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    }),
  };
  return reads;
}
