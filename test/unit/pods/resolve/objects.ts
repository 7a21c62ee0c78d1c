/** ConfigMaps and Secrets as text by `Kind/name`, as pods of the namespace `default` read them. */
import { referencedConfigMap, referencedSecret } from '../../../../src/pods/resolve/referenced.ts';
import type { ReadReference } from '../../../../src/pods/resolve/references.ts';

export function objects(
  all: Readonly<Record<string, Readonly<Record<string, string>>>>,
  more: object = {},
): ReadReference {
  return async ({ kind, name }) => {
    const values = all[`${kind}/${name}`];
    if (values === undefined) return undefined;
    const metadata = { name, namespace: 'default', resourceVersion: '7' };
    if (kind === 'ConfigMap') return referencedConfigMap({ metadata, data: values, ...more });
    const data = Object.entries(values).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
    return referencedSecret({ metadata, data: Object.fromEntries(data), ...more });
  };
}
