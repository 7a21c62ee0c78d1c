/** The status of a set for people: tables that fit on 80 columns, and a sentence for whatever is out of the ordinary. */

import { parseQuantity } from '../quantity.ts';
import type { SetStatus, ZoneStatus } from './status-report.ts';

/** `nowMs`: wall clock, for how long ago a term began. */
export function statusTable(status: SetStatus, nowMs: number): string {
  const zones = table(
    ['ZONE', 'NODE', 'READY', 'LEADER', 'EPOCH', 'SINCE', 'PODS', 'CPU', 'MEMORY'],
    status.zones.map((zone) => [
      zone.name,
      zone.node,
      zone.ready ? 'yes' : 'no',
      zone.leader ?? '-',
      zone.epoch === null ? '-' : String(zone.epoch),
      zone.since === null ? '-' : age(nowMs - Date.parse(zone.since)),
      pods(zone),
      share(zone, 'cpu'),
      share(zone, 'memory'),
    ]),
  );
  const outlook = table(
    ['ZONE', 'BACKEND', 'NEXT LEADER', 'BECAUSE OF'],
    status.zones.map(({ name, health, next }) => [name, health?.state ?? '-', next?.replica ?? '-', next?.why ?? '-']),
  );
  const replicas = table(
    ['REPLICA', 'HOME', 'LEADS'],
    status.replicas.map(({ name, homeZone, zones: leads }) => [name, homeZone ?? '-', leads.join(', ') || '-']),
  );
  const notRunning = status.zones.flatMap(({ name, pods: phases }) =>
    Object.entries(phases)
      .filter(([phase]) => phase !== 'Running')
      .map(([phase, count]) => `${name}: ${count} ${phase}`),
  );
  const notes = [
    ...status.zones.flatMap(({ name, health, brake }) => [
      ...(health === null || health.state === 'Up' ? [] : [`${name}: ${health.reason}: ${health.message}`]),
      ...(brake === null ? [] : [`${name}: its pods are not moved: ${brake}`]),
    ]),
    ...status.replicas.flatMap(({ name, draining }) =>
      draining === null ? [] : [`${name} gives its zones away: ${draining}`],
    ),
  ];
  const none = 'No replica is alive: no candidate Lease of this set has been renewed.\n';
  return [
    zones,
    notRunning.length === 0 ? '' : `Not running: ${notRunning.join(', ')}\n`,
    '\n',
    outlook,
    '\n',
    status.replicas.length === 0 ? none : replicas,
    notes.length === 0 ? '' : `\n${notes.map((note) => `${note}\n`).join('')}`,
  ].join('');
}

/** `58/60`: running of all. */
function pods({ pods: phases }: ZoneStatus): string {
  const all = Object.values(phases).reduce((sum, count) => sum + count, 0);
  return `${phases.Running ?? 0}/${all}`;
}

/** How much of the capacity is requested. */
function share(zone: ZoneStatus, resource: string): string {
  const capacity = parseQuantity(zone.capacity[resource] ?? '0');
  if (capacity === 0) return '-';
  const percent = (parseQuantity(zone.allocated[resource] ?? '0') / capacity) * 100;
  return percent > 0 && percent < 1 ? '<1%' : `${Math.round(percent)}%`;
}

/** As kubectl writes ages: `45s`, `12m`, `5h`, `3d`. */
export function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `${cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()}\n`;
  return [head, ...rows].map(line).join('');
}
