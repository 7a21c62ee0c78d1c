/** `npm run check:package`: what must agree with each other beside the code. Prints every mistake, each with what to do. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { outdated } from './generated.ts';

const MOST_DEPENDENCIES = 12;

function* mistakes(): Generator<string> {
  yield* dependencyMistakes();
  for (const file of outdated()) yield `${file} is not what the code makes of it: run "npm run generate"`;
  yield* traces();
}

/** The README gives every runtime dependency a reason, and no other. */
function* dependencyMistakes(): Generator<string> {
  const { dependencies = {} } = JSON.parse(readFileSync('package.json', 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  const names = Object.keys(dependencies);
  if (names.length > MOST_DEPENDENCIES) {
    yield `package.json has ${names.length} dependencies, more than ${MOST_DEPENDENCIES}: do without one`;
  }
  const readme = readFileSync('README.md', 'utf8');
  const section = readme.split(/^## Dependencies$/m)[1]?.split(/^## /m)[0] ?? '';
  const rows = new Map(
    [...section.matchAll(/^\| `([^`]+)`\s*\| (.*?)\s*\|$/gm)].map(([, name = '', why = '']) => [name, why]),
  );
  for (const name of names) {
    if ((rows.get(name) ?? '').trim() === '') yield `README.md, Dependencies: ${name} is missing, or has no reason`;
  }
  for (const name of rows.keys()) {
    if (!names.includes(name)) yield `README.md, Dependencies: ${name} is none of package.json`;
  }
}

/** Nothing that is committed names a folder of the machine it was written on, or where its packages came from. */
function* traces(): Generator<string> {
  const files = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0').filter(Boolean);
  const folders = [homedir(), process.cwd()].map((folder) => `${folder}/`);
  for (const file of files.filter((each) => existsSync(each))) {
    const text = readFileSync(file, 'utf8');
    if (file === 'package-lock.json' && /"resolved": "https?:/.test(text)) {
      yield `${file} names a registry: run npm install with the .npmrc of this folder`;
    }
    for (const [i, line] of text.split('\n').entries()) {
      if (folders.some((folder) => line.includes(folder))) yield `${file}:${i + 1} names a folder of this machine`;
    }
  }
}

const found = [...mistakes()];
for (const mistake of found) console.error(mistake);
if (found.length > 0) process.exitCode = 1;
