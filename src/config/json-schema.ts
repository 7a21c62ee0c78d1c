/** The schema of the configuration as JSON Schema, for editors. */
import { z } from 'zod';
import { schema } from './schema.ts';

/** What `zonelet validate --json-schema` prints. */
export function jsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' });
  return {
    $schema,
    $id: 'https://zonelet.dev/schema/v1alpha1.json',
    title: 'Zonelet configuration',
    ...rest,
  };
}

export function jsonSchemaText(): string {
  return `${JSON.stringify(jsonSchema(), undefined, 2)}\n`;
}
