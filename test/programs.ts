/** Said once at the start of `npm test`: what is left out on this machine, and how to get it. */
import { hasRedisServer } from './support/redis-server.ts';

export default function setup(): void {
  if (!hasRedisServer)
    console.log('skipped: tests on a real Redis; they need redis-server (apt-get install redis-server)');
}
