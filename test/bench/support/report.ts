/** A report as a table for people and as an object for programs. */
import { cpus, totalmem } from 'node:os';
import { type Figure, meetsTarget, type Report } from './benchmark.ts';

export interface Run {
  readonly benchmark: string;
  readonly pods: number;
  readonly rounds: number;
  readonly report: Report;
}

/** Where the figures come from; without it they mean nothing. */
export function machine(): object {
  const processors = cpus();
  return {
    cpus: processors.length,
    model: processors[0]?.model.trim(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

export function asObject({ benchmark, pods, rounds, report }: Run): object {
  return {
    benchmark,
    pods,
    rounds,
    figures: Object.fromEntries(
      report.figures.map((figure) => [
        figure.name,
        {
          value: round(figure.value),
          unit: figure.unit,
          ...(figure.floor === undefined
            ? {}
            : { floor: round(figure.floor.value), floorIs: figure.floor.what, ratio: round(ratio(figure)) }),
          ...(figure.target === undefined ? {} : { target: roundedTarget(figure.target), met: meetsTarget(figure) }),
        },
      ]),
    ),
    eachRound: report.rounds.map((each) =>
      Object.fromEntries(Object.entries(each).map(([name, value]) => [name, round(value)])),
    ),
    notes: report.notes ?? [],
  };
}

const HEAD = ['figure', 'value', 'floor', 'ratio', 'target', ''];

export function asTable({ benchmark, pods, rounds, report }: Run): string {
  const rows = report.figures.map((figure) => {
    const met = meetsTarget(figure);
    return [
      figure.name,
      `${text(figure.value)} ${figure.unit}`,
      figure.floor === undefined ? '' : `${text(figure.floor.value)} (${figure.floor.what})`,
      figure.floor === undefined ? '' : text(ratio(figure)),
      targetText(figure),
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ];
  });
  const widths = HEAD.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const title = `${benchmark} (${pods} pods, ${rounds} ${rounds === 1 ? 'round' : 'rounds'})`;
  return [title, line(HEAD), ...rows.map(line), ...(report.notes ?? [])].join('\n');
}

function targetText({ target }: Figure): string {
  if (target === undefined) return '';
  return 'atLeast' in target ? `>= ${text(target.atLeast)}` : `<= ${text(target.atMost)}`;
}

function roundedTarget(target: NonNullable<Figure['target']>): Figure['target'] {
  return 'atLeast' in target ? { atLeast: round(target.atLeast) } : { atMost: round(target.atMost) };
}

function ratio({ value, floor }: Figure): number {
  return floor === undefined ? Number.NaN : value / floor.value;
}

/** Three significant digits are more than any of this is good for. */
function text(value: number): string {
  return Number.isFinite(value) ? String(round(value)) : '-';
}

function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
