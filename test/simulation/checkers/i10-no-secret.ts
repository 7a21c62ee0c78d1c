/** I10: no secret value appears in a log line, event, status, metric or error. */
import { CANARY } from '../workload.ts';
import type { CreateChecker } from './checker.ts';

const ENCODED = Buffer.from(CANARY).toString('base64');
/** Reading every log line costs as much again as all the rest. */
const LOGS_EVERY = 10;

export const noSecret: CreateChecker = ({ plan, replicas }, report) => {
  const shows = (text: string): boolean => text.includes(CANARY) || text.includes(ENCODED);
  const log = (actor: string, line: () => string): void => {
    const text = line();
    if (shows(text)) report(`${actor} logs the value of a Secret: ${text}`);
  };
  return {
    ...(plan.seed % LOGS_EVERY === 0 ? { log } : {}),
    write({ collection, key, json = '' }) {
      if (collection !== 'secrets' && shows(json)) report(`${collection}/${key} shows the value of a Secret`);
    },
    async atEnd() {
      for (const { name, metrics } of replicas) {
        if (shows((await metrics?.registry.metrics()) ?? ''))
          report(`the metrics of ${name} show the value of a Secret`);
      }
    },
  };
};
