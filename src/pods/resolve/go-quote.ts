/** Text in double quotes as Go's `%q` writes it, which is how a kubelet writes labels and annotations into files. */

const NAMED: Readonly<Record<string, string>> = {
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

/** What Go holds for printable: letters, marks, numbers, punctuation, symbols and the plain space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

export function goQuoted(text: string): string {
  let quoted = '';
  for (const character of text) {
    const named = Object.hasOwn(NAMED, character) ? NAMED[character] : undefined;
    quoted += named ?? (PRINTABLE.test(character) ? character : escaped(character.codePointAt(0) ?? 0));
  }
  return `"${quoted}"`;
}

function escaped(code: number): string {
  // Half a surrogate pair is no character.
  if (code >= 0xd800 && code <= 0xdfff) return '\ufffd';
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code < 0x1_0000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}
