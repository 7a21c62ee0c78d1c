/** Field selectors. Source: k8s.io/apimachinery pkg/fields/selector.go; which labels a kind has stands with the kind. */
import type { ApiObject } from '../api-object.ts';
import { badRequest } from '../failure.ts';

/** The fields of a kind that can be selected by, apart from `metadata.name` and `metadata.namespace`. */
export type FieldLabels = Readonly<Record<string, (object: ApiObject) => string>>;
export type FieldSelector = (object: ApiObject) => boolean;

const METADATA: FieldLabels = {
  'metadata.name': ({ metadata }) => metadata.name ?? '',
  'metadata.namespace': ({ metadata }) => metadata.namespace ?? '',
};

/** Selects everything for an empty text. Throws 400 for fields that the kind cannot be selected by. */
export function parseFieldSelector(
  text: string,
  kind: string,
  namespaced: boolean,
  labels: FieldLabels,
): FieldSelector {
  const terms = text
    .split(/(?<!\\),/)
    .filter((term) => term !== '')
    .map((term) => {
      const match = /^(.*?)(!=|==|=)((?:\\.|[^=,\\])*)$/.exec(term);
      if (match === null) {
        throw badRequest(`invalid selector: '${text}'; can't understand '${term}'`);
      }
      const [, field = '', sign = '', raw = ''] = match;
      const known =
        Object.hasOwn(labels, field) || field === 'metadata.name' || (namespaced && field === 'metadata.namespace');
      const read = known ? (labels[field] ?? METADATA[field]) : undefined;
      if (read === undefined) throw badRequest(unsupported(field, kind));
      return { read, value: raw.replaceAll(/\\(.)/g, '$1'), negative: sign === '!=' };
    });
  if (terms.length === 0) return () => true;
  return (object) => terms.every(({ read, value, negative }) => (read(object) === value) !== negative);
}

function unsupported(field: string, kind: string): string {
  // Kinds with selectable fields of their own and those without say it differently.
  return OWN_MESSAGE.has(kind)
    ? `field label not supported: ${field}`
    : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`;
}

const OWN_MESSAGE: ReadonlySet<string> = new Set(['Pod', 'Node', 'Namespace', 'Secret', 'Event']);
