/** Whether a kernel says that nobody listens at an address any more. */
import { connect } from 'node:net';
import { type Clock, sleep } from '../clock.ts';
import type { PeerAddress } from './peer-address.ts';

/** Between two tries; something that is being set up anew may refuse for a moment. */
const AGAIN_AFTER_MS = 50;
const REFUSALS = 2;
/**
 * The kernel closes what a dead process had open one after the other, and may close its connections before the port that
 * it listened at: the first tries may still be accepted. On a busy machine that takes its time; this is one second.
 */
const TRIES = 20;
const TIMEOUT_MS = 1_000;

/**
 * True when connections were refused twice in a row. A kernel refuses (RST to a SYN) at a port where no process listens;
 * for one that is stopped or too busy to accept it goes on accepting by itself. A timeout, an unreachable host or anything
 * else that is neither refused nor accepted is false at once.
 */
export async function isRefused(at: PeerAddress, clock: Clock, signal: AbortSignal): Promise<boolean> {
  let refusals = 0;
  for (let tries = 1; tries <= TRIES; tries++) {
    if (tries > 1) await sleep(clock, AGAIN_AFTER_MS, signal);
    const answer = await knock(at, clock, signal);
    if (answer === 'none') return false;
    refusals = answer === 'refused' ? refusals + 1 : 0;
    if (refusals === REFUSALS) return true;
  }
  return false;
}

function knock(
  { host, port }: PeerAddress,
  clock: Clock,
  signal: AbortSignal,
): Promise<'refused' | 'accepted' | 'none'> {
  if (signal.aborted) return Promise.resolve('none');
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (is: 'refused' | 'accepted' | 'none'): void => {
      timer.cancel();
      signal.removeEventListener('abort', stop);
      socket.destroy();
      resolve(is);
    };
    const stop = (): void => answer('none');
    const timer = clock.setTimer(TIMEOUT_MS, stop);
    signal.addEventListener('abort', stop, { once: true });
    socket.on('connect', () => answer('accepted'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // RST after the SYN was answered: the port was closed between the two.
      const accepted = error.code === 'ECONNRESET';
      answer(error.code === 'ECONNREFUSED' ? 'refused' : accepted ? 'accepted' : 'none');
    });
  });
}
