/** Whether a Redis server can be trusted with a lock: asked after every connect and now and then. */
import type { Clock } from '../clock.ts';
import { ZoneletError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { RedisServer } from '../redis/server.ts';
import { FITNESS } from './redis-scripts.ts';

export interface ServerFitness {
  /** Rejects with the reason while the server does not count, or cannot be asked. */
  check(): Promise<void>;
  /** The reason why it did not count when it was last asked. */
  readonly unfit: ZoneletError | undefined;
}

/** A setting that somebody changes while the server runs is noticed within this. */
const RECHECK_MS = 60_000;
/** Somebody may be setting it right just now. */
const RECHECK_UNFIT_MS = 2_000;

interface Finding {
  readonly at: number;
  readonly unfit: ZoneletError | undefined;
}

export function createServerFitness(server: RedisServer, clock: Clock, log: Logger): ServerFitness {
  let found: Finding | undefined;
  let asking: Promise<Finding> | undefined;
  let warned = false;

  server.onState(() => {
    found = undefined;
  });

  async function ask(): Promise<Finding> {
    const answer = await server.eval(FITNESS, [], []);
    const [maxMemory, policy] = Array.isArray(answer) ? (answer as unknown[]) : [];
    const now = clock.monotonic();
    if (typeof policy !== 'string') {
      if (!warned) {
        log.warn(
          { redis: server.name },
          'this Redis server does not tell its eviction policy, because the user may not run INFO: make sure that maxmemory-policy is noeviction',
        );
      }
      warned = true;
      return { at: now, unfit: undefined };
    }
    const evicts = Number(maxMemory) > 0 && policy !== 'noeviction';
    const message = `${server.name} does not count: its maxmemory-policy is ${policy}, which drops locks when memory is short; set it to noeviction`;
    return { at: now, unfit: evicts ? new ZoneletError('Unsupported', message) : undefined };
  }

  return {
    get unfit() {
      return found?.unfit;
    },
    async check() {
      const freshMs = found?.unfit === undefined ? RECHECK_MS : RECHECK_UNFIT_MS;
      if (found === undefined || clock.monotonic() - found.at >= freshMs) {
        asking ??= ask().finally(() => {
          asking = undefined;
        });
        found = await asking;
      }
      if (found.unfit !== undefined) throw found.unfit;
    },
  };
}
