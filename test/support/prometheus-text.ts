/** Reads metrics as Prometheus would. Source: the text exposition format 0.0.4. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

/** The samples of one name, without parsing the others: an API server has tens of thousands. */
export function samplesOf(text: string, name: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue;
    const [, found = '', labels = '', value = ''] = LINE.exec(line) ?? [];
    if (found !== name) continue;
    samples.push({
      name,
      labels: Object.fromEntries([...labels.matchAll(LABEL)].map(([, key, content]) => [key, content])),
      value: Number(value),
    });
  }
  return samples;
}

/** Sum of the samples whose labels are these. */
export function sumOf(samples: readonly Sample[], labels: Readonly<Record<string, string>> = {}): number {
  return samples
    .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
