/** The times of an election that says none, by its kind. */
import { valueAt } from './explain.ts';

export interface TimingText {
  readonly leaseDuration: string;
  readonly renewDeadline: string;
  readonly retryPeriod: string;
}

/** A Redis server answers in a millisecond where an API server may take a second, and costs nothing to ask more often. */
export const DEFAULT_TIMING: Readonly<Record<'lease' | 'redis', TimingText>> = {
  lease: { leaseDuration: '6s', renewDeadline: '4s', retryPeriod: '1s' },
  redis: { leaseDuration: '4s', renewDeadline: '2s500ms', retryPeriod: '800ms' },
};

/** `raw`: the file with its defaults not filled in. */
export function electsBy(raw: unknown): 'lease' | 'redis' {
  return valueAt(raw, ['election', 'by']) === 'redis' ? 'redis' : 'lease';
}
