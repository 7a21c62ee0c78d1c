/** For backends that know a pod's addresses before they start its containers. */
import type { Container } from '../kube/types.ts';
import type { ResolvedPod } from './resolved-pod.ts';

/** The pod with its addresses in the places that ask for them. Without such places it is the pod itself. */
export function withPodIPs(resolved: ResolvedPod, podIPs: readonly string[]): ResolvedPod {
  const { podIPMarkers: markers, ...rest } = resolved;
  if (markers === undefined) return resolved;
  const put = (text: string): string =>
    text.replaceAll(markers.podIPs, () => podIPs.join(',')).replaceAll(markers.podIP, () => podIPs[0] ?? '');
  const inContainer = <C extends Pick<Container, 'command' | 'args' | 'volumeMounts'>>(container: C): C => ({
    ...container,
    ...(container.command === undefined ? {} : { command: container.command.map(put) }),
    ...(container.args === undefined ? {} : { args: container.args.map(put) }),
    ...(container.volumeMounts === undefined
      ? {}
      : {
          volumeMounts: container.volumeMounts.map((mount) =>
            mount.subPath === undefined ? mount : { ...mount, subPath: put(mount.subPath) },
          ),
        }),
  });
  const { spec } = resolved.pod;
  const env = Object.fromEntries(
    Object.entries(resolved.env).map(([container, variables]) => [
      container,
      variables.map(({ name, value }) => ({ name, value: put(value) })),
    ]),
  );
  if (spec === undefined) return { ...rest, env };
  const { containers, initContainers, ephemeralContainers } = spec;
  return {
    ...rest,
    env,
    pod: {
      ...resolved.pod,
      spec: {
        ...spec,
        containers: containers.map(inContainer),
        ...(initContainers === undefined ? {} : { initContainers: initContainers.map(inContainer) }),
        ...(ephemeralContainers === undefined ? {} : { ephemeralContainers: ephemeralContainers.map(inContainer) }),
      },
    },
  };
}
