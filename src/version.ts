/** The version of this program, read from the package it came in: the one place that knows it. */
import { readFileSync } from 'node:fs';

/** The package's version. Works from a checkout (`src/`) and from the published files (`dist/src/`). */
export function version(): string {
  for (const above of ['../package.json', '../../package.json']) {
    const found = readPackage(new URL(above, import.meta.url));
    if (found?.name === 'zonelet' && found.version !== undefined) return found.version;
  }
  throw new Error('zonelet is not in its package: no package.json above its files');
}

function readPackage(at: URL): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(at, 'utf8'));
  } catch {
    return undefined;
  }
}
