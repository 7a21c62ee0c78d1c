/** The pod with `$(VAR)` in commands, arguments and `subPathExpr` replaced, as a kubelet does before it starts a container. */
import type { Container, Pod } from '../../kube/types.ts';
import type { EnvVars } from './environment.ts';
import { expandReferences } from './expansion.ts';
import { Missing } from './missing.ts';

type Mount = NonNullable<Container['volumeMounts']>[number];

/** `Missing` for a `subPathExpr` that names no known variable, or leads out of the volume. */
export function expandedPod(pod: Pod, env: Readonly<Record<string, EnvVars>>): Pod {
  if (pod.spec === undefined) return pod;
  const expand = <C extends Container>(container: C): C => {
    const words = [...(container.command ?? []), ...(container.args ?? [])];
    const inWords = words.some((word) => word.includes('$'));
    const inMounts = (container.volumeMounts ?? []).some(({ subPathExpr }) => (subPathExpr ?? '') !== '');
    if (!inWords && !inMounts) return container;
    const values = new Map((env[container.name] ?? []).map(({ name, value }) => [name, value]));
    const each = (word: string): string => expandReferences(word, (name) => values.get(name));
    return {
      ...container,
      ...(container.command === undefined ? {} : { command: container.command.map(each) }),
      ...(container.args === undefined ? {} : { args: container.args.map(each) }),
      ...(inMounts ? { volumeMounts: container.volumeMounts?.map((mount) => withSubPath(mount, values)) } : {}),
    };
  };
  const { containers, initContainers, ephemeralContainers } = pod.spec;
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: containers.map(expand),
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(expand) }),
      ...(ephemeralContainers === undefined ? {} : { ephemeralContainers: ephemeralContainers.map(expand) }),
    },
  };
}

function withSubPath(mount: Mount, values: ReadonlyMap<string, string>): Mount {
  const { subPathExpr, ...rest } = mount;
  if (subPathExpr === undefined || subPathExpr === '') return mount;
  const unknown = new Set<string>();
  const subPath = expandReferences(subPathExpr, (name) => {
    const value = values.get(name) ?? '';
    if (value === '') unknown.add(name);
    return value;
  });
  if (unknown.size > 0) throw new Missing(`missing value for ${[...unknown].sort().join(', ')}`);
  // Named as it was written: what a variable holds may be a secret.
  if (subPath.startsWith('/')) throw new Missing(`subPathExpr ${subPathExpr} must not become an absolute path`);
  if (subPath.split('/').includes('..')) throw new Missing(`subPathExpr ${subPathExpr} must not come to contain '..'`);
  return { ...rest, subPath };
}
