/**
 * What the API server warns of in answers that are none of an error: a version that is deprecated, or a status that a policy
 * found too late and let pass. Each is counted; each kind is told once, because whatever causes one causes thousands.
 */
import type { Logger } from '../log.ts';
import type { ApiMetrics } from '../metrics/api.ts';

/** One warning, and the request that was answered with it. */
export type OnWarning = (text: string, request: string) => void;

/** Enough for what there can be; nothing is told any more beyond it. */
const MOST_KINDS = 100;

export function tellWarnings(log: Logger, metrics?: Pick<ApiMetrics, 'warnings'>): OnWarning {
  const told = new Set<string>();
  return (text, request) => {
    metrics?.warnings.inc();
    // Epochs, names of pods and of their owners make no other kind.
    const kind = text.replaceAll(/\d+/g, '0');
    if (told.has(kind) || told.size >= MOST_KINDS) return;
    told.add(kind);
    log.warn({ request, warning: text }, 'the API server warns; it is told once');
  };
}

/** The texts of a `Warning` header: `299 - "text"`, several of them separated by commas. */
export function warningsIn(header: string | undefined): string[] {
  const found = (header ?? '').matchAll(/\b299 \S+ "((?:[^"\\]|\\.)*)"/g);
  return [...found].map(([, text = '']) => text.replaceAll(/\\(.)/g, '$1'));
}
