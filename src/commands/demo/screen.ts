/** What the demo draws: zones, leaders, epochs, pods, what just happened, and the keys. Fits 80 columns. */
import type { ZoneView } from './observer.ts';

export interface ScreenInput {
  readonly zones: readonly ZoneView[];
  readonly replicas: readonly { readonly name: string; readonly homeZone: string; readonly alive: boolean }[];
  readonly runningPods: number;
  readonly wantedPods: number;
  readonly restarts: number;
  readonly notReadyMs: number;
  /** Monotonic now. */
  readonly now: number;
  /** Newest last. */
  readonly events: readonly string[];
  readonly folder: string;
  readonly kubeconfig: string;
  /** Escape sequences are welcome. */
  readonly colour: boolean;
}

const BAR = 18;

export function drawScreen(input: ScreenInput): string {
  const paint = (code: string, text: string): string => (input.colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const lines = [
    `${paint('1', 'Zonelet demo')} ${input.zones.length} zones, ${input.replicas.length} replicas`,
    '',
    paint(
      '2',
      `${'ZONE'.padEnd(10)}${'NODE'.padEnd(16)}${'READY'.padEnd(7)}${'LEADER'.padEnd(13)}${'EPOCH'.padEnd(7)}${'FOR'.padEnd(7)}PODS`,
    ),
    ...input.zones.map((zone) => zoneLine(zone, input, paint)),
    '',
    `replicas  ${input.replicas.map(({ name, alive }) => (alive ? paint('32', name) : paint('31', `${name} (dead)`))).join('  ')}`,
    `pods      ${input.runningPods} of ${input.wantedPods} running, ${input.restarts} restarts, node not Ready for ${seconds(input.notReadyMs)}`,
    '',
    ...input.events.slice(-8).map((event) => `  ${event}`),
    '',
    paint('2', `kubectl --kubeconfig ${input.kubeconfig} get nodes,pods`),
    paint('2', `logs and journals: ${input.folder}`),
    `${paint('7', ' 1-9 ')} kill the leader of that zone  ${paint('7', ' + ')} ${paint('7', ' - ')} scale  ${paint('7', ' q ')} quit`,
  ];
  return `${lines.join('\n')}\n`;
}

function zoneLine(zone: ZoneView, input: ScreenInput, paint: (code: string, text: string) => string): string {
  const running = zone.pods.Running ?? 0;
  const others = Object.entries(zone.pods)
    .filter(([phase]) => phase !== 'Running')
    .map(([phase, count]) => ` ${count} ${phase}`)
    .join('');
  const alive = input.replicas.find(({ name }) => name === zone.leader)?.alive ?? false;
  const leader = (zone.leader ?? '-').padEnd(13);
  const share = Math.min(BAR, Math.ceil((running / Math.max(1, input.wantedPods)) * BAR));
  return [
    zone.zone.padEnd(10),
    zone.node.padEnd(16),
    zone.ready ? paint('32', 'yes'.padEnd(7)) : paint('31', 'no'.padEnd(7)),
    alive ? leader : paint('31', leader),
    String(zone.epoch).padEnd(7),
    seconds(input.now - zone.since).padEnd(7),
    `${paint('36', '#'.repeat(share))} ${running}${others}`,
  ].join('');
}

export function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : `${Math.round(ms / 1000)}s`;
}
