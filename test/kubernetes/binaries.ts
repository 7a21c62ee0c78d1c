/**
 * Where the programs of a real control plane are: `KUBEBUILDER_ASSETS` (as setup-envtest leaves them; etcd and
 * kube-apiserver only), or the cache that `npm run kubernetes:build` fills.
 */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export const KUBERNETES_VERSION = 'v1.36.3';

/** In the order in which they start. */
export const PROGRAMS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
export type Program = (typeof PROGRAMS)[number];

/** What contract tests need. */
export const API_SERVER: readonly Program[] = ['etcd', 'kube-apiserver'];

export const HOW_TO_GET = 'npm run kubernetes:build builds it (Go 1.26, 4 minutes, once)';

/** `$ZONELET_CACHE`, else the user's cache folder. */
export function cacheFolder(): string {
  const { ZONELET_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  const root = own ?? join(xdg ?? join(homedir(), '.cache'), 'zonelet');
  return join(root, 'kubernetes', KUBERNETES_VERSION, 'bin');
}

/** The path of a program; undefined when it is in neither place. */
export function findProgram(program: Program): string | undefined {
  const places = [process.env.KUBEBUILDER_ASSETS, cacheFolder()].filter((place) => place !== undefined);
  return places.map((place) => join(place, program)).find((path) => existsSync(path));
}

export function missing(programs: readonly Program[]): Program[] {
  return programs.filter((program) => findProgram(program) === undefined);
}
