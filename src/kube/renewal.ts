/**
 * An identity that is asked for anew before it runs out, when it is older than it may be, and after it was refused.
 * While a new one cannot be had, the old one goes on being used: the API server says what it thinks of it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Identity, IdentitySource } from './identity.ts';

export interface Issued {
  readonly identity: Identity;
  /** Milliseconds since the epoch after which it is of no use. */
  readonly expiresAtMs?: number;
  /** Milliseconds after which it is looked at again. */
  readonly goodForMs?: number;
}

export interface RenewalOptions {
  readonly first: Issued;
  /** `refused`: the API server did not accept the present one. */
  renew(refused: boolean): Promise<Issued>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Renewed this long before the end, or after three quarters of a shorter life. */
const AHEAD_MS = 300_000;
/** Pause after an attempt that brought nothing new, doubling: a token that is refused for good costs next to nothing. */
const FIRST_PAUSE_MS = 10_000;
const LAST_PAUSE_MS = 300_000;

export function createRenewal(options: RenewalOptions): IdentitySource {
  const { clock, log } = options;
  let identity = options.first.identity;
  let refused = false;
  let pauseMs = FIRST_PAUSE_MS;
  let notBefore = 0;
  let underWay: Promise<void> | undefined;
  /** Monotonic. */
  let renewAt = 0;
  let endsAt = 0;
  take(options.first);

  function take(issued: Issued): void {
    const now = clock.monotonic();
    identity = issued.identity;
    const left = (issued.expiresAtMs ?? Number.POSITIVE_INFINITY) - clock.now();
    // Already over as this machine's clock sees it: the API server's may see it otherwise, and asking again gives the same.
    const life = left > 0 ? left : Number.POSITIVE_INFINITY;
    endsAt = now + life;
    renewAt = now + Math.min(Math.max(life - AHEAD_MS, (life * 3) / 4), issued.goodForMs ?? Number.POSITIVE_INFINITY);
  }

  async function renew(): Promise<void> {
    const because = refused;
    let news = false;
    try {
      const issued = await options.renew(because);
      news = !isDeepStrictEqual(issued.identity, identity);
      take(news ? issued : { ...issued, identity });
      if (because) log.info({ news }, 'the API server refused the credentials; they were read again');
    } catch (error) {
      log.warn(
        { error: messageOf(error) },
        'the credentials for the API server could not be renewed; the old ones stay in use',
      );
    }
    refused = false;
    pauseMs = news ? FIRST_PAUSE_MS : Math.min(pauseMs * 2, LAST_PAUSE_MS);
    notBefore = clock.monotonic() + pauseMs;
  }

  return {
    async get() {
      const now = clock.monotonic();
      if (underWay === undefined && (refused || now >= renewAt) && now >= notBefore) {
        underWay = renew().finally(() => {
          underWay = undefined;
        });
      }
      if (underWay !== undefined && (refused || now >= endsAt)) await underWay;
      return identity;
    },
    refused(used) {
      if (used === identity) refused = true;
    },
  };
}
