/**
 * `${VAR}` and `${VAR:-default}` in the scalars of the configuration.
 *
 * The result is as if the text had been put there before YAML was read: `port: ${PORT:-9090}` is a number, and what
 * stands in quotes stays text. It is done without touching the text around it, so that a value can never break out of
 * its scalar, and every line and column in a message is the one in the file. `:-` stands in for unset and for empty, as
 * in a shell. `$${VAR}` is the plain text `${VAR}`.
 */
import { isCollection, isScalar, parseDocument } from 'yaml';

export type Variables = Readonly<Record<string, string | undefined>>;

/** Braces may be nested once, so that a default can be `{}` or another reference. */
const REFERENCE = /\$\$?\{(?:[^{}\n]|\{[^{}\n]*\})*\}/g;
const BODY = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** Where references hide from the YAML reader: one private-use character for each ASCII one, so that lengths stay. */
const HIDDEN = 0xe000;
const HIDDEN_TEXT = /[\ue000-\ue07f]/g;

/** Hides every reference from a YAML reader, to which `{`, `}`, `#` and `: ` mean something. */
export function hideReferences(text: string): string {
  return text.replace(REFERENCE, (reference) =>
    reference.replace(/[\u0020-\u007e]/g, (character) => String.fromCharCode(HIDDEN + character.charCodeAt(0))),
  );
}

export function showReferences(text: string): string {
  return text.replace(HIDDEN_TEXT, (character) => String.fromCharCode(character.charCodeAt(0) - HIDDEN));
}

/** Puts the values in. Problems are told to `report`, and the reference stays as it is. */
export function substitute(text: string, variables: Variables, report: (message: string) => void): string {
  const rest = text.replace(REFERENCE, '');
  if (rest.includes('${')) report(`"${text}" has a "\${" without its "}"; write "$\${" for the plain characters`);
  return text.replace(REFERENCE, (reference) => {
    if (reference.startsWith('$$')) return reference.slice(1);
    const body = BODY.exec(reference.slice(2, -1));
    if (body === null) {
      report(`found ${reference}, allowed: \${NAME} and \${NAME:-default}; write $${reference} for the plain text`);
      return reference;
    }
    const [, name = '', fallback] = body;
    const value = variables[name];
    if (fallback !== undefined && (value === undefined || value === '')) return substitute(fallback, variables, report);
    if (value === undefined) {
      report(`the environment variable ${name} is not set; set it, or write \${${name}:-default}`);
      return reference;
    }
    return value;
  });
}

/** What YAML makes of a plain scalar with this text. What would be more than one value stays text. */
export function readPlain(text: string, isWhole: boolean): unknown {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
  const { contents } = document;
  if (document.errors.length > 0) return text;
  if (contents === null) return null;
  if (document.comment || document.commentBefore || contents.comment) return text;
  if (isScalar(contents)) return contents.value;
  return isWhole && isCollection(contents) ? contents.toJS(document) : text;
}

/** True when the text is one reference and nothing else. */
export function isWholeReference(text: string): boolean {
  return text.replace(REFERENCE, '').trim() === '' && text.match(REFERENCE)?.length === 1;
}
