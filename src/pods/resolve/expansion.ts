/**
 * `$(VAR)` references in environment values, commands and arguments (Kubernetes, third_party/forked/golang/expansion):
 * `$$` is a dollar sign, an unknown name stays as it is written, an unclosed reference too.
 */

/** Expands every reference in `text`; `lookup` answers undefined for a name that is not known. */
export function expandReferences(text: string, lookup: (name: string) => string | undefined): string {
  let result = '';
  let copied = 0;
  for (let i = text.indexOf('$'); i >= 0 && i + 1 < text.length; i = text.indexOf('$', i)) {
    result += text.slice(copied, i);
    const next = text[i + 1];
    if (next === '(') {
      const close = text.indexOf(')', i + 2);
      if (close < 0) {
        result += '$(';
        i += 2;
      } else {
        const name = text.slice(i + 2, close);
        result += lookup(name) ?? `$(${name})`;
        i = close + 1;
      }
    } else {
      result += next === '$' ? '$' : `$${next ?? ''}`;
      i += 2;
    }
    copied = i;
  }
  return result + text.slice(copied);
}
