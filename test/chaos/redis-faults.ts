/** What happens to the Redis servers that zones are elected and pod state is kept with. */
import { type Fault, type Field, pause, seconds } from './field.ts';

const oneRestarted: Fault = {
  name: 'one Redis server killed and started again',
  async happen(field) {
    const { dice, redis } = field;
    const index = dice.between(0, redis.length - 1);
    const forMs = dice.between(0, 5_000);
    await redis[index]?.kill('SIGKILL');
    await pause(field, forMs);
    await redis[index]?.start();
    return `server ${index}, for ${seconds(forMs)}`;
  },
};

const oneFrozen: Fault = {
  name: 'one Redis server frozen',
  async happen(field) {
    const { dice, redis } = field;
    const index = dice.between(0, redis.length - 1);
    const forMs = dice.between(500, 8_000);
    await redis[index]?.kill('SIGSTOP');
    try {
      await pause(field, forMs);
    } finally {
      await redis[index]?.kill('SIGCONT');
    }
    return `server ${index}, for ${seconds(forMs)}`;
  },
};

const allRestarted: Fault = {
  name: 'all Redis servers killed and started again',
  async happen(field) {
    const { dice, redis, redisOutages, clock } = field;
    const forMs = dice.between(0, 8_000);
    const from = clock.now();
    await Promise.all(redis.map((server) => server.kill('SIGKILL')));
    await pause(field, forMs);
    await Promise.all(redis.map((server) => server.start()));
    redisOutages.push({ from, until: clock.now() });
    return `for ${seconds(forMs)}`;
  },
};

/** The server forgets who leads, and all pod state. */
const flushed = (name: string, which: (field: Field) => readonly number[]): Fault => ({
  name,
  async happen(field) {
    const chosen = which(field);
    for (const index of chosen) field.redis[index]?.command('FLUSHALL');
    await pause(field, 2_000);
    return `server ${chosen.join(', ')}`;
  },
});

export const REDIS_FAULTS: readonly Fault[] = [
  oneRestarted,
  oneFrozen,
  allRestarted,
  flushed('one Redis server flushed', ({ dice, redis }) => [dice.between(0, redis.length - 1)]),
  flushed('all Redis servers flushed', ({ redis }) => redis.map((_, index) => index)),
];
