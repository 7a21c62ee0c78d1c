/** DefaultTolerationSeconds: how long a pod stays on a node that is not ready or not reachable. */
import type { Pod } from '../../../kube/types.ts';

export interface TolerationSettings {
  /** @defaultValue 300 */
  readonly notReadyTolerationSeconds?: number;
  /** @defaultValue 300 */
  readonly unreachableTolerationSeconds?: number;
}

export function addDefaultTolerations({ spec }: Pod, settings: TolerationSettings): void {
  if (spec === undefined) return;
  const taints = [
    ['node.kubernetes.io/not-ready', settings.notReadyTolerationSeconds ?? 300],
    ['node.kubernetes.io/unreachable', settings.unreachableTolerationSeconds ?? 300],
  ] as const;
  const given = spec.tolerations ?? [];
  const added = taints
    .filter(([taint]) => {
      const covers = given.some(({ key = '', effect = '' }) => {
        return (key === taint || key === '') && (effect === 'NoExecute' || effect === '');
      });
      return !covers;
    })
    .map(([key, tolerationSeconds]) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds }));
  if (added.length > 0) spec.tolerations = [...given, ...added];
}
