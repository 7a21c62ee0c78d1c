/** From the verdict on a zone's backend to what its Node says. Pure. */
import type { NodeHealth } from '../../node/node-health.ts';
import type { Resources } from '../../provider/contract.ts';
import type { Verdict } from './agreement.ts';

const STATUS = { Up: 'True', NoNew: 'True', Down: 'False', Unknown: 'Unknown' } as const;
const TAINT = { Up: 'none', NoNew: 'no new pods', Down: 'backend down', Unknown: 'as it is' } as const;

/** `held`: why the zone is not given up. `allocated`: what the node's pods request; asked only when it matters. */
export function nodeHealth(
  { state, reason, message }: Verdict,
  { notReady, held }: Pick<NodeHealth, 'notReady'> & { readonly held: string | undefined },
  allocated: () => Resources,
): NodeHealth {
  return {
    // One replica's trouble is no statement about the backend.
    backend: {
      status: reason === 'BackendNotReached' ? 'Unknown' : STATUS[state],
      ...(state === 'Down' && held !== undefined
        ? { reason: 'EvictionHeld', message: `pods stay: ${held}. ${message}` }
        : { reason, message }),
    },
    taint: TAINT[state],
    onlyAllocated: state === 'NoNew' ? allocated() : undefined,
    notReady,
  };
}
