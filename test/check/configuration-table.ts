/** The README's table of the configuration, made from the schema that checks the file. */
import { jsonSchema } from '../../src/config/json-schema.ts';

interface Schema {
  readonly type?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly required?: readonly string[];
}

/** One row for each key that holds a value; maps and lists are named by the path of what is in them. */
export function configurationTable(): string {
  const rows = [...keysOf(jsonSchema() as Schema, '')];
  return ['| key | meaning | default |', '| --- | --- | --- |', ...rows].join('\n');
}

function* keysOf(schema: Schema, prefix: string): Generator<string> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const path = `${prefix}${name}`;
    const inner = property.properties === undefined ? property.items : property;
    const list = property.items === undefined ? '' : '[*]';
    if (inner?.properties !== undefined) {
      yield* keysOf(inner, `${path}${list}.`);
      continue;
    }
    const [meaning = '', stated] = (property.description ?? '').split(/\s*Default: /);
    const required = schema.required?.includes(name) === true;
    const fallback =
      property.default === undefined ? (stated ?? (required ? 'required' : '')) : shown(property.default);
    yield `| \`${path}\` | ${cell(meaning)} | ${cell(fallback.replace(/\.$/, ''))} |`;
  }
}

function shown(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
