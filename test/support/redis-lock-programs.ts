/** What the scripts of the election do, for a Redis in memory; `test/unit/election/redis-scripts.test.ts` compares it with a real one. */
import type { ModelDatabase, RedisProgram } from './redis-model.ts';

const text = (database: ModelDatabase, key: string): string | null => {
  const value = database.get(key);
  return value?.type === 'string' ? value.text : null;
};

const left = (database: ModelDatabase, key: string): number => {
  if (database.get(key) === undefined) return -2;
  const ms = database.expiresIn(key);
  return ms === undefined ? -1 : Math.round(ms);
};

const put = (database: ModelDatabase, key: string, value: string, ms?: string): void =>
  database.set(key, { type: 'string', text: value }, ms === undefined ? undefined : Number(ms));

const drawnAt = (database: ModelDatabase, key: string): number => {
  const drawn = Number(text(database, key) ?? '0');
  return Number.isNaN(drawn) ? 0 : drawn;
};

/** By name of the script. */
export const lockPrograms: Readonly<Record<string, RedisProgram>> = {
  'lock-look': (database, [lock = '', epoch = '', given = '']) => [
    text(database, lock),
    left(database, lock),
    text(database, epoch),
    text(database, given),
    left(database, given),
  ],

  'lock-raise': (
    database,
    [lock = '', epoch = '', given = ''],
    [wanted = '', max = '', from = '', fromMs = '', ...own],
  ) => {
    const held = text(database, lock);
    const clear = held === null || (held === from && left(database, lock) <= Number(fromMs)) || own.includes(held);
    if (!clear) return 0;
    const drawn = drawnAt(database, epoch);
    if (drawn <= Number(max) && drawn >= Number(wanted)) return -1;
    put(database, epoch, wanted);
    if (held !== null) {
      database.delete(lock);
      database.publish(lock, 'taken');
    }
    database.delete(given);
    return 1;
  },

  'lock-mend': (database, [lock = '', epoch = ''], [value = '', ms = '', wanted = '', max = '']) => {
    const drawn = drawnAt(database, epoch);
    if (drawn > Number(wanted) && drawn <= Number(max)) return 0;
    if (database.get(lock) !== undefined) return 0;
    put(database, lock, value, ms);
    put(database, epoch, wanted);
    return 1;
  },

  'lock-give': (database, [lock = '', given = ''], [value = '', note = '', ms = '']) => {
    if (text(database, lock) !== value) return 0;
    put(database, given, note, ms);
    return 1;
  },

  'lock-fitness': () => ['0', 'noeviction'],

  'lock-acquire': (database, [lock = ''], [value = '', ms = '']) => {
    if (database.get(lock) !== undefined) return 0;
    put(database, lock, value, ms);
    return 1;
  },

  'lock-extend': (database, [lock = ''], [value = '', ms = '']) => {
    if (text(database, lock) !== value) return 0;
    put(database, lock, value, ms);
    return 1;
  },

  'lock-release': (database, [lock = ''], [value = '']) => {
    if (text(database, lock) !== value) return 0;
    database.delete(lock);
    database.publish(lock, 'released');
    return 1;
  },
};
