/**
 * The environment of a pod's containers, resolved as a kubelet does it (`makeEnvironmentVariables` in
 * pkg/kubelet/kubelet_pods.go): `envFrom` first, then `env` in order, each able to refer to what stands before it.
 *
 * Values of Secrets pass through here: they go to the provider and nowhere else, never into an error, event or log.
 */
import { hasCode, messageOf } from '../errors.ts';
import type { Container, Pod } from '../kube/types.ts';
import { expandReferences } from './expansion.ts';
import { fieldValue } from './field-reference.ts';
import type { Reference, Referenced } from './references.ts';

type EnvVars = readonly { readonly name: string; readonly value: string }[];

export type Environment =
  | { readonly ok: true; readonly env: Readonly<Record<string, EnvVars>> }
  | {
      readonly ok: false;
      /** In the words of a kubelet; names no value. */
      readonly message: string;
      /** The container whose environment could not be made. */
      readonly container: string;
      /** What is missing, and in which version it was seen not to suffice (undefined: not there at all). */
      readonly reference: Reference;
      readonly version: string | undefined;
    };

/** Reads an object; undefined when it is not there, an error when that could not be found out. */
type ReadReference = (reference: Reference) => Promise<Referenced | undefined>;

class Missing extends Error {
  readonly reference: Reference;
  readonly version: string | undefined;

  constructor(message: string, reference: Reference, version: string | undefined) {
    super(message);
    this.reference = reference;
    this.version = version;
  }
}

export async function resolveEnvironment(pod: Pod, read: ReadReference): Promise<Environment> {
  const env: Record<string, EnvVars> = {};
  const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
  for (const container of [...initContainers, ...containers, ...ephemeralContainers]) {
    try {
      env[container.name] = await containerEnvironment(pod, container, read);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      const { message, reference, version } = error;
      return { ok: false, message, container: container.name, reference, version };
    }
  }
  return { ok: true, env };
}

async function containerEnvironment(pod: Pod, container: Container, read: ReadReference): Promise<EnvVars> {
  const namespace = pod.metadata?.namespace ?? '';
  const values = new Map<string, string>();

  for (const source of container.envFrom ?? []) {
    const from = source.configMapRef ?? source.secretRef;
    if (from === undefined) continue;
    const kind = source.configMapRef === undefined ? 'Secret' : 'ConfigMap';
    const found = await required({ kind, namespace, name: from.name ?? '' }, from.optional ?? false, read);
    for (const key of Object.keys(found?.values ?? {}).sort()) {
      values.set(`${source.prefix ?? ''}${key}`, found?.values[key] ?? '');
    }
  }

  for (const variable of container.env ?? []) {
    const { name, value, valueFrom } = variable;
    if (value !== undefined && value !== '') {
      values.set(
        name,
        expandReferences(value, (other) => values.get(other)),
      );
      continue;
    }
    if (valueFrom?.fieldRef !== undefined) {
      values.set(name, fieldValue(pod, valueFrom.fieldRef.fieldPath) ?? '');
      continue;
    }
    const key = valueFrom?.configMapKeyRef ?? valueFrom?.secretKeyRef;
    if (key === undefined) {
      values.set(name, '');
      continue;
    }
    const kind = valueFrom?.configMapKeyRef === undefined ? 'Secret' : 'ConfigMap';
    const reference: Reference = { kind, namespace, name: key.name ?? '' };
    const found = await required(reference, key.optional ?? false, read);
    const resolved = found?.values[key.key];
    if (resolved !== undefined) values.set(name, resolved);
    else if (!(key.optional ?? false)) {
      throw new Missing(
        `couldn't find key ${key.key} in ${kind} ${namespace}/${reference.name}`,
        reference,
        found?.resourceVersion,
      );
    }
  }
  return [...values].map(([name, value]) => ({ name, value }));
}

async function required(reference: Reference, optional: boolean, read: ReadReference): Promise<Referenced | undefined> {
  let found: Referenced | undefined;
  try {
    found = await read(reference);
  } catch (error) {
    // Not allowed to look: nothing that a retry of the same pod alone would change, so people must be told.
    if (!hasCode(error, 'Forbidden', 'Unauthorized')) throw error;
    throw new Missing(messageOf(error), reference, undefined);
  }
  if (found === undefined && !optional) {
    throw new Missing(`${reference.kind.toLowerCase()} "${reference.name}" not found`, reference, undefined);
  }
  return found;
}

/** The pod with `$(VAR)` in commands and arguments replaced, as a kubelet does before it starts a container. */
export function withExpandedCommands(pod: Pod, env: Readonly<Record<string, EnvVars>>): Pod {
  if (pod.spec === undefined) return pod;
  const expand = (container: Container): Container => {
    const words = [...(container.command ?? []), ...(container.args ?? [])];
    if (!words.some((word) => word.includes('$'))) return container;
    const values = new Map((env[container.name] ?? []).map(({ name, value }) => [name, value]));
    const each = (word: string): string => expandReferences(word, (name) => values.get(name));
    return {
      ...container,
      ...(container.command === undefined ? {} : { command: container.command.map(each) }),
      ...(container.args === undefined ? {} : { args: container.args.map(each) }),
    };
  };
  const containers = pod.spec.containers.map(expand);
  const init = pod.spec.initContainers?.map(expand);
  const ephemeral = pod.spec.ephemeralContainers?.map(expand);
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers,
      ...(init === undefined ? {} : { initContainers: init }),
      ...(ephemeral === undefined ? {} : { ephemeralContainers: ephemeral }),
    },
  };
}
