/** Label selectors in their text form. Source: k8s.io/apimachinery pkg/labels/selector.go. */
import { badRequest } from '../failure.ts';

export type Labels = Readonly<Record<string, string>>;
export type LabelSelector = (labels: Labels | undefined) => boolean;

type Operator = 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt';

interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

const NAME = '[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?';
const KEY = `(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?${NAME}`;
const SET = new RegExp(`^\\s*(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)\\s*(?:,|$)`);
const COMPARISON = new RegExp(`^\\s*(${KEY})\\s*(==|=|!=|>|<)\\s*([^,\\s]*)\\s*(?:,|$)`);
const EXISTENCE = new RegExp(`^\\s*(!?)\\s*(${KEY})\\s*(?:,|$)`);
const VALUE = new RegExp(`^(?:${NAME})?$`);

/** Selects everything for an empty text. Throws 400 for what is no selector. */
export function parseLabelSelector(text: string): LabelSelector {
  const requirements = parse(text);
  if (requirements.length === 0) return () => true;
  return (labels = {}) => requirements.every((one) => holds(one, labels));
}

function parse(text: string): Requirement[] {
  const requirements: Requirement[] = [];
  let rest = text;
  while (rest.trim() !== '') {
    const set = SET.exec(rest);
    const comparison = set === null ? COMPARISON.exec(rest) : null;
    const existence = set === null && comparison === null ? EXISTENCE.exec(rest) : null;
    const match = set ?? comparison ?? existence;
    if (match === null) throw unable(text, `found '${rest.trim()}'`);
    if (set !== null) {
      const values = (set[3] ?? '').split(',').map((value) => value.trim());
      requirements.push({ key: set[1] ?? '', operator: set[2] === 'in' ? 'in' : 'notin', values });
    } else if (comparison !== null) {
      const [, key = '', sign, value = ''] = comparison;
      const operator = sign === '!=' ? 'notin' : sign === '>' ? 'gt' : sign === '<' ? 'lt' : 'in';
      if ((operator === 'gt' || operator === 'lt') && !/^-?\d+$/.test(value)) {
        throw unable(text, 'for Gt, Lt operators, the value must be an integer');
      }
      requirements.push({ key, operator, values: [value] });
    } else if (existence !== null) {
      requirements.push({ key: existence[2] ?? '', operator: existence[1] === '!' ? 'absent' : 'exists', values: [] });
    }
    for (const value of requirements.at(-1)?.values ?? []) {
      if (value.length > 63 || !VALUE.test(value)) throw unable(text, `invalid label value: "${value}"`);
    }
    rest = rest.slice(match[0].length);
    if (match[0].endsWith(',') && rest.trim() === '') throw unable(text, "found '', expected: identifier after ','");
  }
  return requirements;
}

function unable(text: string, why: string): Error {
  return badRequest(`unable to parse requirement: ${why} in "${text}"`);
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    case 'gt':
      return value !== undefined && /^-?\d+$/.test(value) && BigInt(value) > BigInt(values[0] ?? '0');
    case 'lt':
      return value !== undefined && /^-?\d+$/.test(value) && BigInt(value) < BigInt(values[0] ?? '0');
  }
}

interface StructuredSelector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly { key: string; operator: string; values?: readonly string[] }[];
}

/** The selector of a Deployment or ReplicaSet. */
export function structuredSelector(selector: StructuredSelector | undefined): LabelSelector {
  const requirements: Requirement[] = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: 'in',
    values: [value],
  }));
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    const as = { In: 'in', NotIn: 'notin', Exists: 'exists', DoesNotExist: 'absent' }[operator] as Operator | undefined;
    if (as !== undefined) requirements.push({ key, operator: as, values });
  }
  return (labels = {}) => requirements.every((one) => holds(one, labels));
}

/** The text form, as `status.selector` of a Scale has it. */
export function selectorText(selector: StructuredSelector | undefined): string {
  const parts = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    if (operator === 'Exists') parts.push(key);
    else if (operator === 'DoesNotExist') parts.push(`!${key}`);
    else parts.push(`${key} ${operator === 'In' ? 'in' : 'notin'} (${[...values].sort().join(',')})`);
  }
  return parts.sort().join(',');
}
