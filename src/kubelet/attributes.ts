/**
 * What a request to the kubelet API is in the words of authorization: a verb on a subresource of the Node, as the
 * kubelet has it (pkg/kubelet/server/auth.go, with fine-grained authorization).
 */

/** Path to the subresources that allow it; any one of them suffices. The rest is `proxy`. */
const FINE_GRAINED: readonly (readonly [path: string, subresources: readonly string[]])[] = [
  ['/pods', ['pods', 'proxy']],
  ['/runningpods', ['pods', 'proxy']],
  ['/healthz', ['healthz', 'proxy']],
  ['/configz', ['configz', 'proxy']],
  ['/stats', ['stats']],
  ['/metrics', ['metrics']],
  ['/logs', ['log']],
  ['/checkpoint', ['checkpoint']],
  ['/statusz', ['statusz']],
  ['/flagz', ['configz']],
];

const VERBS: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

export function subresourcesOf(path: string): readonly string[] {
  return FINE_GRAINED.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1] ?? ['proxy'];
}

/** Undefined for a method that the kubelet API does not have. */
export function verbOf(method: string, upgrade: boolean): string | undefined {
  // Whoever may only read must not get a shell through a WebSocket, which begins with GET.
  if (upgrade) return 'create';
  return Object.hasOwn(VERBS, method) ? VERBS[method] : undefined;
}
