/** The syntax of single values: each with the pattern that decides and the words that say what is allowed. */

export interface Syntax {
  readonly pattern: RegExp;
  readonly maxLength: number;
  /** Completes "allowed: ...". */
  readonly allowed: string;
}

const LABEL = '[a-z0-9](?:[a-z0-9-]*[a-z0-9])?';
const QUALIFIED = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?';
const SUBDOMAIN = `${LABEL}(?:\\.${LABEL})*`;

/** RFC 1123 label, as apimachinery's `IsDNS1123Label`. */
export const DNS_LABEL: Syntax = {
  pattern: new RegExp(`^${LABEL}$`),
  maxLength: 63,
  allowed: 'a DNS label: lower-case letters, digits and "-", first and last a letter or digit, at most 63 characters',
};

/** RFC 1123 subdomain, as apimachinery's `IsDNS1123Subdomain`. */
export const DNS_SUBDOMAIN: Syntax = {
  pattern: new RegExp(`^${SUBDOMAIN}$`),
  maxLength: 253,
  allowed: 'a DNS name: labels of lower-case letters, digits and "-" separated by ".", at most 253 characters',
};

/** A Node's name; shorter than Kubernetes allows because it is also the value of the label kubernetes.io/hostname. */
export const NODE_NAME: Syntax = {
  pattern: DNS_SUBDOMAIN.pattern,
  maxLength: 63,
  allowed:
    'a DNS name of lower-case letters, digits, "-" and ".", at most 63 characters (it is also the label kubernetes.io/hostname)',
};

/** As apimachinery's `IsQualifiedName`: keys of labels and taints, names of resources. */
export const QUALIFIED_NAME: Syntax = {
  pattern: new RegExp(`^(?:${SUBDOMAIN}/)?${QUALIFIED}$`),
  maxLength: 317,
  allowed:
    'a name of letters, digits, "-", "_" and ".", at most 63 characters, perhaps after a DNS name and "/" (example.com/name)',
};

/** As apimachinery's `IsValidLabelValue`: values of labels and taints. */
export const LABEL_VALUE: Syntax = {
  pattern: new RegExp(`^(?:${QUALIFIED})?$`),
  maxLength: 63,
  allowed:
    'a label value: empty, or letters, digits, "-", "_" and ".", first and last a letter or digit, at most 63 characters',
};

const DURATION_PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export const DURATION: Syntax = {
  pattern: /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/,
  maxLength: 32,
  allowed: 'a duration with its units: 6s, 500ms, 1m30s (h, m, s and ms are known)',
};

/** `1m30s` to 90000. `undefined` when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION.pattern.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, unit = ''] of text.matchAll(DURATION_PART)) sum += Number(amount) * (UNIT_MS[unit] ?? 0);
  return Math.round(sum);
}

/** 90000 to `1m30s`. */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  let text = '';
  for (const unit of ['h', 'm', 's', 'ms']) {
    const size = UNIT_MS[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text === '' ? '0s' : text;
}
