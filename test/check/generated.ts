/** Files, and parts of files, that are made from the code: `npm run generate` writes them, `npm run check` compares. */
import { readFileSync, writeFileSync } from 'node:fs';
import { jsonSchemaText } from '../../src/config/json-schema.ts';
import { configurationTable } from './configuration-table.ts';

export interface Generated {
  readonly file: string;
  /** The whole file as it should be, from what it is now. */
  readonly make: (present: string) => string;
}

export const GENERATED: readonly Generated[] = [
  { file: 'src/config/zonelet.schema.json', make: () => jsonSchemaText() },
  { file: 'README.md', make: (present) => withSection(present, 'configuration', configurationTable()) },
];

/** Replaces what stands between `<!-- NAME: ... -->` and `<!-- /NAME -->`. */
function withSection(text: string, name: string, content: string): string {
  const begin = new RegExp(`<!-- ${name}:[^>]*-->`).exec(text);
  const end = text.indexOf(`<!-- /${name} -->`);
  if (begin === null || end < 0) throw new Error(`the marks <!-- ${name}: ... --> and <!-- /${name} --> are missing`);
  return `${text.slice(0, begin.index + begin[0].length)}\n\n${content}\n\n${text.slice(end)}`;
}

/** Files that are not what the code makes of them. */
export function outdated(): string[] {
  return GENERATED.filter(({ file, make }) => {
    const present = readOrEmpty(file);
    return make(present) !== present;
  }).map(({ file }) => file);
}

export function generate(): string[] {
  const files = outdated();
  for (const { file, make } of GENERATED) writeFileSync(file, make(readOrEmpty(file)));
  return files;
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
