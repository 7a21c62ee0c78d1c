/**
 * Makes `src/local-cluster/api-server/schema/types.json` from the Go types of the Kubernetes API: run it with
 * `node test/kubernetes/local-cluster-schema.ts GO_MODULE_FOLDER VERSION` (such as `~/go/pkg/mod v0.36.3`), where
 * `kubernetes:build` has put the modules. What a field's text means stands in `schema/schema.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [modules = '', version = ''] = process.argv.slice(2);

/** Later ones win where two files have a type of one name. */
const FILES = [
  'api@V/autoscaling/v1/types.go',
  'api@V/policy/v1/types.go',
  'api@V/authorization/v1/types.go',
  'api@V/authentication/v1/types.go',
  'api@V/coordination/v1/types.go',
  'api@V/apps/v1/types.go',
  'api@V/core/v1/types.go',
  'apimachinery@V/pkg/apis/meta/v1/types.go',
];
const ROOTS = [
  'Binding ConfigMap DeleteOptions Deployment Event Eviction Lease Namespace Node Pod ReplicaSet Scale Secret Service',
  'SelfSubjectAccessReview SelfSubjectReview ServiceAccount SubjectAccessReview TokenRequest TokenReview',
].flatMap((line) => line.split(' '));

const PLAIN: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'bool',
  int: 'int',
  int32: 'int',
  int64: 'long',
  float64: 'float',
  'types.UID': 'string',
  'metav1.Time': 'time',
  Time: 'time',
  'metav1.MicroTime': 'microtime',
  MicroTime: 'microtime',
  'resource.Quantity': 'quantity',
  'intstr.IntOrString': 'intstr',
  '[]byte': 'bytes',
  FieldsV1: 'any',
  'runtime.RawExtension': 'any',
};

interface Field {
  readonly name: string;
  readonly go: string;
  readonly tag: string;
}

const structs = new Map<string, Field[]>();
const aliases = new Map<string, string>();

function read(file: string): void {
  let current: Field[] | undefined;
  for (const raw of readFileSync(file, 'utf8').split('\n')) {
    const line = raw.trim();
    const start = /^type (\w+) struct \{$/.exec(line);
    if (start?.[1] !== undefined) {
      current = [];
      structs.set(start[1], current);
      continue;
    }
    const alias = /^(?:type )?(\w+) (map\[\w+\][\w.]+|\[\]\w+|string|int32|int64)$/.exec(line);
    if (current === undefined && alias !== null) aliases.set(alias[1]!, alias[2]!);
    if (line === '}') current = undefined;
    const field = /^(?:(\w+)\s+)?([\w.*[\]]+)\s+`(.*)`/.exec(line);
    if (current !== undefined && field !== null) {
      current.push({ name: field[1] ?? '', go: field[2]!, tag: field[3]! });
    }
  }
}

const types: Record<string, Record<string, string>> = {};

/** The text for a Go type; structs that it names are taken along. */
function typeText(go: string): string {
  const plain = PLAIN[go];
  if (plain !== undefined) return plain;
  const bare = go.replace(/^(metav1|v1|corev1)\./, '');
  const alias = aliases.get(bare);
  if (alias !== undefined && !structs.has(bare)) return typeText(alias);
  if (go.startsWith('[]')) return `${typeText(go.slice(2))}[]`;
  const map = /^map\[\w+\](.+)$/.exec(go);
  if (map !== null) return `map:${typeText(map[1]!)}`;
  take(bare);
  return bare;
}

function take(struct: string): void {
  if (types[struct] !== undefined) return;
  const into: Record<string, string> = {};
  types[struct] = into;
  if (struct === 'TypeMeta') throw new Error('TypeMeta is written out by its users');
  for (const [name, text] of fieldsOf(struct)) into[name] = text;
}

function* fieldsOf(struct: string): Generator<[string, string]> {
  const fields = structs.get(struct);
  if (fields === undefined) throw new Error(`no Go type ${struct}`);
  for (const { go, tag } of fields) {
    const json = /json:"([^"]*)"/.exec(tag)?.[1]?.split(',') ?? [];
    const inner = go.replace(/^\*/, '');
    const number = /protobuf:"\w+,(\d+)/.exec(tag)?.[1];
    if (json.includes('inline')) {
      if (/TypeMeta$/.test(inner))
        yield* [
          ['kind', 'string'],
          ['apiVersion', 'string'],
        ] as [string, string][];
      else {
        // In JSON its fields stand among the others; in protobuf it is a message of its own.
        for (const [name, text] of fieldsOf(inner.replace(/^(metav1|v1)\./, '')))
          yield [name, text.replace(' #', ` #${number}.`)];
      }
      continue;
    }
    const name = json[0];
    if (name === undefined || name === '-' || name === '') continue;
    const flags: string[] = [];
    if (go.startsWith('*')) flags.push('ptr');
    if (!json.includes('omitempty') && !json.includes('omitzero')) flags.push('keep');
    if (json.includes('omitzero')) flags.push('omitzero');
    const strategy = /patchStrategy:"([^"]*)"/.exec(tag)?.[1] ?? '';
    const key = /patchMergeKey:"([^"]*)"/.exec(tag)?.[1];
    if (strategy.includes('merge')) flags.push(`merge=${key ?? ''}`);
    if (strategy.includes('retainKeys')) flags.push('retainKeys');
    if (number !== undefined) flags.push(`#${number}`);
    yield [name, [typeText(inner), ...flags].join(' ')];
  }
}

for (const file of FILES) read(join(modules, 'k8s.io', file.replace('V', version)));
for (const root of ROOTS) take(root);
const text = `${JSON.stringify(Object.fromEntries(Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1))), null, 2)}\n`;
writeFileSync(join(import.meta.dirname, '../../src/local-cluster/api-server/schema/types.json'), text);
