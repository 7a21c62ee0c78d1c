import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** Imports point downwards only: a room may use those of the lines before its own, and its own. */
const LAYERS: readonly (readonly string[])[] = [
  ['(root)'],
  ['metrics'],
  ['lifecycle'],
  ['kube', 'redis'],
  ['election', 'state'],
  ['provider', 'config', 'fence', 'peers'],
  ['node', 'pods', 'kubelet'],
  ['zone'],
  ['local-cluster'],
  ['commands'],
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

function imports(pattern: string): Import[] {
  return globSync(pattern, { cwd: ROOT }).flatMap((from) => {
    const text = readFileSync(join(ROOT, from), 'utf8');
    const statements = [...text.matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from '(\.[^']+)'/gms)];
    const dynamic = [...text.matchAll(/import\('(\.[^']+)'\)/g)].map(
      (match) => [match[0], undefined, match[1]] as const,
    );
    return [...statements, ...dynamic].map(([, type, target = '']) => ({
      from,
      to: relative(ROOT, normalize(join(ROOT, dirname(from), target))),
      typeOnly: type !== undefined,
    }));
  });
}

function room(file: string): string {
  const [, second = '', third] = file.split('/');
  return third === undefined ? '(root)' : second;
}

const inSource = imports('src/**/*.ts');
const inProviders = imports('providers/**/*.ts').filter(({ from }) => !from.endsWith('.test.ts'));

test('the imports of the source point one way', () => {
  const rank = (file: string): number => LAYERS.findIndex((layer) => layer.includes(room(file)));
  const wrong = inSource.filter(({ from, to, typeOnly }) => {
    if (!to.startsWith('src/') || from === 'src/main.ts' || room(from) === room(to)) return false;
    if (rank(from) < 0 || rank(to) < 0) return true;
    // The types of the API's objects are words that every room uses.
    if (typeOnly && to === 'src/kube/types.ts') return false;
    return rank(to) > rank(from) || (rank(to) === rank(from) && !typeOnly);
  });
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  expect(inSource.length).toBeGreaterThan(300);
});

test('what a leader does in the API goes through its term', () => {
  const writing = globSync('src/{pods,node,zone}/**/*.ts', { cwd: ROOT }).filter((file) =>
    /client\s*\.(?:create|replace|patch|delete)\(/.test(readFileSync(join(ROOT, file), 'utf8')),
  );
  // The heartbeat of a node that has no leader.
  expect(writing).toEqual(['src/node/caretaker.ts']);
});

test('providers use the contract and small helpers, nothing else', () => {
  const wrong = inProviders.filter(({ from, to, typeOnly }) => {
    if (to.startsWith('providers/'))
      return to.split('/')[1] !== from.split('/')[1] && !to.startsWith('providers/simulated/');
    if (to.startsWith('src/provider/')) return false;
    if (to === 'src/kube/types.ts') return !typeOnly;
    // A backend that runs containers itself runs their life with it; it knows nothing of providers.
    if (to.startsWith('src/lifecycle/')) return false;
    return room(to) !== '(root)';
  });
  expect(wrong.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
  expect(inProviders.length).toBeGreaterThan(30);
});

test('nothing that is published imports a test', () => {
  const wrong = [...inSource, ...inProviders].filter(({ to }) => to.startsWith('test/') || to.endsWith('.test.ts'));
  expect(wrong).toEqual([]);
});

test('the embedded cluster is used by commands and tests only', () => {
  const wrong = inSource.filter(
    ({ from, to }) =>
      to.startsWith('src/local-cluster/') &&
      !from.startsWith('src/local-cluster/') &&
      !from.startsWith('src/commands/'),
  );
  expect(wrong).toEqual([]);
});
