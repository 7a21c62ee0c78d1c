/** The scripts of the pod state (`src/state/redis-scripts.ts`), done to the model's data. */
import { MAX_GONE, MAX_RECORDS } from '../../src/state/redis-scripts.ts';
import type { ModelDatabase, RedisProgram } from './redis-model.ts';

const GONE_TTL_MS = 24 * 3_600_000;
const PAGE = 500;
const OWN_FIELDS = 5;

interface Fenced {
  readonly answer?: unknown[];
  readonly id: string;
  readonly seq: number;
  readonly fresh: 0 | 1;
}

function fence(
  data: ModelDatabase,
  pods: string,
  gone: string,
  [epoch = '', holder = '', id = '']: readonly string[],
): Fenced {
  const stop = (...answer: unknown[]): Fenced => ({ answer, id: '', seq: 0, fresh: 0 });
  const found = data.get(pods)?.type ?? 'hash';
  if (found !== 'hash') return stop('FOREIGN', pods, found);
  const other = data.get(gone)?.type ?? 'zset';
  if (other !== 'zset') return stop('FOREIGN', gone, other);
  const isThere = data.get(pods) !== undefined;
  const hash = data.hash(pods);
  const version = hash.get('#version');
  if (version === undefined) {
    if (isThere) return stop('FOREIGN', pods, 'hash');
    for (const [field, value] of Object.entries({ version: '1', id, epoch, holder, seq: '0' }))
      hash.set(`#${field}`, value);
    return { id, seq: 0, fresh: 1 };
  }
  if (version !== '1') return stop('FOREIGN', pods, `version ${version}`);
  const stands = Number(hash.get('#epoch'));
  if (stands > Number(epoch) || (stands === Number(epoch) && hash.get('#holder') !== holder)) {
    return stop('FENCED', hash.get('#epoch'), hash.get('#holder'));
  }
  hash.set('#epoch', epoch);
  hash.set('#holder', holder);
  return { id: hash.get('#id') ?? '', seq: Number(hash.get('#seq')), fresh: 0 };
}

export const stateRedisPrograms: Readonly<Record<string, RedisProgram>> = {
  'state-claim'(data, [pods = '', gone = ''], args) {
    const { answer, id, seq, fresh } = fence(data, pods, gone, args);
    return answer ?? ['OK', id, seq, fresh];
  },

  'state-clear'(data, [pods = '', gone = ''], args) {
    const { answer, id, seq, fresh } = fence(data, pods, gone, args);
    if (answer !== undefined) return answer;
    data.delete(pods);
    data.delete(gone);
    return ['OK', id, seq, fresh];
  },

  'state-write'(data, [pods = '', gone = ''], args) {
    const fenced = fence(data, pods, gone, args);
    if (fenced.answer !== undefined) return fenced.answer;
    const hash = data.hash(pods);
    const scores = data.zset(gone);
    const seq = fenced.seq + 1;
    const told: string[] = [];
    const refused: string[] = [];
    let full = 0;
    for (let i = 3; i + 2 < args.length; i += 3) {
      const [kind, uid = '', json = ''] = args.slice(i, i + 3);
      if (kind === 'bury') scores.set(uid, data.now());
      else if (kind === 'intend' && scores.has(uid)) refused.push(uid);
      else if (kind === 'set' || kind === 'intend') {
        if (!hash.has(uid) && hash.size - OWN_FIELDS >= MAX_RECORDS) full++;
        else {
          hash.set(uid, `${seq} ${json}`);
          told.push(`${uid} ${json}`);
        }
      } else if (hash.delete(uid)) told.push(uid);
    }
    for (const [uid, at] of scores) if (at <= data.now() - GONE_TTL_MS) scores.delete(uid);
    for (const uid of [...scores.keys()].slice(0, Math.max(0, scores.size - MAX_GONE))) scores.delete(uid);
    hash.set('#seq', String(seq));
    data.publish(pods, [`${fenced.id} ${seq}`, ...told].join('\n'));
    return ['OK', fenced.id, seq, fenced.fresh, full, ...refused];
  },

  'state-scan'(data, [pods = ''], [cursor]) {
    const value = data.get(pods);
    if (value === undefined) return ['OK', '', 0, '0', []];
    if (value.type !== 'hash') return ['FOREIGN', pods, value.type];
    const version = value.fields.get('#version');
    if (version !== '1') return ['FOREIGN', pods, version === undefined ? 'hash' : `version ${version}`];
    const all = [...value.fields];
    const from = Number(cursor);
    const next = from + PAGE >= all.length ? 0 : from + PAGE;
    const { fields } = value;
    return ['OK', fields.get('#id'), Number(fields.get('#seq')), String(next), all.slice(from, from + PAGE).flat()];
  },
};
