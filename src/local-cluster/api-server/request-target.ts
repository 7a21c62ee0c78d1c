/** What a path names. */

export interface ResourceTarget {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: string;
  /** Asked for by the old `/watch/` paths. */
  readonly watch: boolean;
}

/** Undefined for a path that names no resource. Source: k8s.io/apiserver pkg/endpoints/request/requestinfo.go. */
export function readTarget(path: string): ResourceTarget | undefined {
  let parts: string[];
  try {
    parts = path
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
  const [root, ...rest] = parts;
  let group = '';
  if (root === 'apis') group = rest.shift() ?? '';
  else if (root !== 'api') return undefined;
  const version = rest.shift();
  if (version === undefined) return undefined;
  const watch = rest[0] === 'watch';
  if (watch) rest.shift();
  if (rest.length === 0) return undefined;

  const base = { group, version, watch };
  const [first = '', second, third, ...more] = rest;
  // `namespaces/NAME` is the object itself; more behind it is what is inside, apart from its own subresources.
  const isInside = first === 'namespaces' && third !== undefined && third !== 'status' && third !== 'finalize';
  if (isInside && second !== undefined) {
    const [name, subresource, ...deeper] = more;
    return {
      ...base,
      resource: third,
      namespace: second,
      ...optional({ name, subresource: join(subresource, deeper) }),
    };
  }
  return { ...base, resource: first, ...optional({ name: second, subresource: join(third, more) }) };
}

function join(first: string | undefined, rest: readonly string[]): string | undefined {
  return first === undefined ? undefined : [first, ...rest].join('/');
}

function optional(values: { name: string | undefined; subresource: string | undefined }): {
  name?: string;
  subresource?: string;
} {
  return {
    ...(values.name === undefined ? {} : { name: values.name }),
    ...(values.subresource === undefined ? {} : { subresource: values.subresource }),
  };
}
