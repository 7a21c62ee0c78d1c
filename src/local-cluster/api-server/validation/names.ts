/** The syntaxes of names, keys and values. Each check gives its complaint, or undefined. Source: pkg/util/validation. */

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const CONFIG_KEY = /^[-._a-zA-Z0-9]+$/;
const PORT_NAME = /^[-a-z0-9]+$/;

export type Check = (text: string) => string | undefined;

function tooLong(max: number): string {
  return `must be no more than ${max} bytes`;
}

export const dnsLabel: Check = (text) => {
  if (text.length > 63) return tooLong(63);
  if (LABEL.test(text)) return undefined;
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
};

export const dnsSubdomain: Check = (text) => {
  if (text.length > 253) return tooLong(253);
  if (SUBDOMAIN.test(text)) return undefined;
  return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
};

/** What can stand in a path. Source: apimachinery pkg/api/validation/path. */
export const pathSegment: Check = (text) => {
  if (text === '.' || text === '..') return `may not be '${text}'`;
  const wrong = ['/', '%'].find((character) => text.includes(character));
  return wrong === undefined ? undefined : `may not contain '${wrong}'`;
};

export const qualifiedName: Check = (text) => {
  const parts = text.split('/');
  const name = parts.at(-1) ?? '';
  const prefix = parts.length === 2 ? parts[0] : undefined;
  if (parts.length > 2) {
    return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
  }
  if (prefix === '') return 'prefix part must be non-empty';
  if (prefix !== undefined) {
    const complaint = dnsSubdomain(prefix);
    if (complaint !== undefined) return `prefix part ${complaint}`;
  }
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return `name part ${tooLong(63)}`;
  if (QUALIFIED_NAME.test(name)) return undefined;
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
};

export const labelValue: Check = (text) => {
  if (text.length > 63) return tooLong(63);
  if (LABEL_VALUE.test(text)) return undefined;
  return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
};

export const configKey: Check = (text) => {
  if (text.length > 253) return tooLong(253);
  if (!CONFIG_KEY.test(text)) {
    return "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
  }
  if (text === '.') return "must not be '.'";
  return text.startsWith('..') ? "must not start with '..'" : undefined;
};

export const environmentName: Check = (text) => {
  if (/^[ -<>-~]+$/.test(text)) return undefined;
  return "a valid environment variable name must consist only of printable ASCII characters other than '='";
};

export const portName: Check = (text) => {
  if (text.length > 15) return 'must be no more than 15 characters';
  if (!PORT_NAME.test(text)) return 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)';
  if (!/[a-z]/.test(text)) return 'must contain at least one letter (a-z)';
  return /^-|-$|--/.test(text) ? 'must not contain consecutive hyphens, begin or end with one' : undefined;
};
