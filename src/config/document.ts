/** A YAML file as plain values, with the way back from each value to its line. */
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, visit } from 'yaml';
import type { Problem } from './problem.ts';
import {
  hideReferences,
  isWholeReference,
  readPlain,
  showReferences,
  substitute,
  type Variables,
} from './reference.ts';

export type Path = readonly (string | number)[];

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlDocument {
  /** With references replaced. `undefined` when the file could not be read as YAML at all. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  /** Where the value at `path` begins, or the nearest thing around it that exists. */
  positionOf(path: Path): Position;
  /** Where the last key of `path` stands. */
  positionOfKey(path: Path): Position;
}

/** `source` is what messages call the file. Never throws. */
export function readDocument(text: string, source: string, variables: Variables): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(hideReferences(text), {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    // `silent` would also keep quiet about a second document in the file.
    logLevel: 'error',
  });
  const problems: Problem[] = [];
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const report = (offset: number, path: string, message: string): void => {
    problems.push({ source, ...at(offset), path, message });
  };

  let broken = false;
  for (const error of document.errors) {
    if (error.code === 'DUPLICATE_KEY') {
      report(error.pos[0], '', 'this key stands here for the second time; one of the two would be ignored');
    } else {
      broken = true;
      report(error.pos[0], '', `not readable as YAML: ${showReferences(error.message)}`);
    }
  }

  visit(document, {
    Scalar(key, node, ancestors) {
      if (typeof node.value !== 'string') return;
      const written = showReferences(node.value);
      if (!written.includes('${')) return;
      const offset = node.range?.[0] ?? 0;
      const path = formatPath(pathOf(ancestors, key === 'key' ? null : node));
      if (key === 'key') {
        node.value = written;
        return report(offset, path, `found the key "${written}"; references are read in values only`);
      }
      const value = substitute(written, variables, (message) => report(offset, path, message));
      node.value = node.type === 'PLAIN' ? readPlain(value, isWholeReference(written)) : value;
    },
  });

  let value: unknown;
  try {
    if (!broken) value = document.toJS();
  } catch (error) {
    // Aliases that lead nowhere or multiply without end.
    report(0, '', `not readable as YAML: ${error instanceof Error ? error.message : String(error)}`);
  }

  const root = document.contents as Node | null;
  const find = (path: Path): { node: Node | null; pair: Pair | undefined; complete: boolean } => {
    let node = root;
    let pair: Pair | undefined;
    for (const step of path) {
      const next = childOf(resolve(node), step);
      if (next === undefined) return { node, pair, complete: false };
      pair = isPair(next) ? next : undefined;
      node = (isPair(next) ? next.value : next) as Node | null;
    }
    return { node, pair, complete: true };
  };
  const resolve = (node: Node | null): Node | null => (isAlias(node) ? (node.resolve(document) ?? null) : node);
  const childOf = (node: Node | null, step: string | number): Pair | Node | undefined => {
    if (isSeq(node)) return node.items[Number(step)] as Node | undefined;
    if (!isMap(node)) return undefined;
    const pairs = node.items as Pair[];
    const own = pairs.find(({ key }) => isScalar(key) && String(key.value) === String(step));
    if (own !== undefined) return own;
    // What `<<` brought in stands where it is defined.
    for (const { key, value: merged } of pairs) {
      if (!isScalar(key) || key.value !== '<<') continue;
      const sources = isSeq(merged) ? merged.items : [merged];
      for (const each of sources) {
        const found = childOf(resolve(each as Node), step);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  const startOf = (node: Node | null, pair: Pair | undefined): Position => {
    const key = pair?.key as Node | undefined;
    return at(node?.range?.[0] ?? key?.range?.[0] ?? 0);
  };

  return {
    value,
    problems,
    positionOf(path) {
      const { node, pair, complete } = find(path);
      // What is missing is pointed at by the key of the map that lacks it.
      const key = pair?.key as Node | undefined;
      if (!complete && key?.range) return at(key.range[0]);
      return startOf(node, pair);
    },
    positionOfKey(path) {
      const { node, pair, complete } = find(path);
      const key = complete ? (pair?.key as Node | undefined) : undefined;
      return key?.range ? at(key.range[0]) : startOf(node, pair);
    },
  };
}

/** `['zones', 0, 'provider', 'kind']` to `zones[0].provider.kind`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

function pathOf(ancestors: readonly unknown[], leaf: unknown): Path {
  const path: (string | number)[] = [];
  ancestors.forEach((ancestor, i) => {
    if (isPair(ancestor) && isScalar(ancestor.key)) path.push(showReferences(String(ancestor.key.value)));
    if (isSeq(ancestor)) path.push(ancestor.items.indexOf(ancestors[i + 1] ?? leaf));
  });
  return path;
}
