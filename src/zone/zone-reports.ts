/** The last thing that the provider said of its zone: kept by standbys too, so that a new leader knows it at once. */
import type { ZoneReport } from '../provider/contract.ts';
import type { GuardedProvider } from '../provider/guard.ts';

export interface ZoneReports {
  readonly latest: ZoneReport | undefined;
  /** Calls back at each report. Returns its removal. */
  subscribe(callback: () => void): () => void;
  /** Listens until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function followZoneReports(provider: GuardedProvider): ZoneReports {
  const subscribers = new Set<() => void>();
  let latest: ZoneReport | undefined;
  return {
    get latest() {
      return latest;
    },
    subscribe(callback) {
      subscribers.add(callback);
      return () => subscribers.delete(callback);
    },
    async run(signal) {
      for await (const report of provider.zoneReports(signal)) {
        latest = report;
        for (const callback of subscribers) callback();
      }
    },
  };
}
