/** The path and query of a request, taken apart without ever guessing what was meant. */

export interface RequestTarget {
  /** Decoded, joined by `/`, beginning with `/`, without a slash at the end. */
  readonly path: string;
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
}

/** What no path of the API contains and what readers of paths disagree about: control characters, and slashes inside a segment. */
const FORBIDDEN = /[\p{Cc}/\\]/u;

/** `undefined` for anything that is no plain absolute path: the answer is 400. */
export function parseTarget(url: string | undefined): RequestTarget | undefined {
  if (url === undefined || !url.startsWith('/') || url.startsWith('//')) return undefined;
  const mark = url.indexOf('?');
  const rawPath = mark < 0 ? url : url.slice(0, mark);
  const segments: string[] = [];
  for (const raw of rawPath.replace(/\/$/, '').split('/').slice(1)) {
    const segment = decoded(raw);
    if (segment === undefined || segment === '' || segment === '.' || segment === '..') return undefined;
    if (FORBIDDEN.test(segment)) return undefined;
    segments.push(segment);
  }
  const query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  return { path: `/${segments.join('/')}`, segments, query };
}

function decoded(raw: string): string | undefined {
  try {
    return decodeURIComponent(raw);
  } catch {
    return undefined;
  }
}
