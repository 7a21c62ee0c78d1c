/** Times as Kubernetes writes them: RFC 3339 in whole seconds. A finer one would come back changed from the API server. */

export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** The same time in whole seconds; undefined when it is missing or no time. */
export function wholeSeconds(time: string | undefined | null): string | undefined {
  if (time === undefined || time === null) return undefined;
  if (time.length === 20 && time.endsWith('Z')) return time;
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? undefined : timestamp(ms);
}
