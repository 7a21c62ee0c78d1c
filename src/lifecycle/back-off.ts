/** How long a container that ended waits before it begins again: as in the kubelet (`doBackOff`, pkg/kubelet/kuberuntime). */

/** The first restart comes at once; then 10 s, doubling up to 5 min. */
const FIRST_MS = 10_000;
const LONGEST_MS = 300_000;
/** A run as long as twice the longest back-off lets it forget what was before. */
const CALM_RUN_MS = 2 * LONGEST_MS;

export interface BackOff {
  /** Ends in a row, to be kept for the next time. */
  readonly crashes: number;
  readonly delayMs: number;
}

/** @param crashes ends in a row before this one */
export function backOff(crashes: number, ranMs: number): BackOff {
  const before = ranMs >= CALM_RUN_MS ? 0 : crashes;
  return {
    crashes: before + 1,
    delayMs: before === 0 ? 0 : Math.min(FIRST_MS * 2 ** (before - 1), LONGEST_MS),
  };
}

/** As Go prints a duration: `10s`, `1m20s`, `5m0s`. */
export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
