/** How long ago, for people. Source: k8s.io/apimachinery pkg/util/duration (HumanDuration). */
import { parseTime } from '../../../kube/micro-time.ts';

/** `<unknown>` for no time. */
export function age(timestamp: string | undefined, nowMs: number): string {
  const then = parseTime(timestamp);
  return then === undefined ? '<unknown>' : duration(nowMs - then);
}

export function duration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return withRest(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return withRest(days, 'd', hours % 24, 'h');
  if (hours < 8760 * 2) return `${days}d`;
  const years = Math.floor(hours / 8760);
  return hours < 8760 * 8 ? withRest(years, 'y', days % 365, 'd') : `${years}y`;
}

function withRest(whole: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${whole}${unit}` : `${whole}${unit}${rest}${restUnit}`;
}
