/**
 * The environment of a pod's containers, resolved as a kubelet does it (`makeEnvironmentVariables` in
 * pkg/kubelet/kubelet_pods.go): `envFrom` first, then `env` in order, each able to refer to what stands before it, then
 * the Services that no variable of that name hides.
 *
 * Values of Secrets pass through here: they go to the provider and nowhere else, never into an error, event or log.
 */
import type { Container, Pod } from '../../kube/types.ts';
import type { Resources } from '../../provider/contract.ts';
import { expandReferences } from './expansion.ts';
import { type Addresses, variableField } from './field-reference.ts';
import { lookUp, OptionalNotes } from './lookup.ts';
import { Missing, type Note } from './missing.ts';
import type { ReadReference, Reference } from './references.ts';
import { resourceField } from './resource-field.ts';

export type EnvVars = readonly { readonly name: string; readonly value: string }[];

/** Everything that an environment may be made of beside the pod. */
export interface EnvironmentSources {
  readonly read: ReadReference;
  /** What containers are told of Services, the pod's wish considered. */
  readonly services: ReadonlyMap<string, string>;
  readonly addresses: Addresses;
  /** Of the node. */
  readonly allocatable: Resources;
}

export type Environment =
  | {
      readonly ok: true;
      readonly env: Readonly<Record<string, EnvVars>>;
      /** What was left out. */
      readonly notes: readonly Note[];
    }
  /** `container`: whose environment could not be made. */
  | { readonly ok: false; readonly container: string; readonly missing: Missing };

/** Printable ASCII without `=`, as Kubernetes has it since 1.34. */
const NAME = /^[ -<>-~]+$/;

export async function resolveEnvironment(pod: Pod, sources: EnvironmentSources): Promise<Environment> {
  const env: Record<string, EnvVars> = {};
  const notes = new OptionalNotes();
  for (const container of allContainers(pod)) {
    try {
      env[container.name] = await containerEnvironment(pod, container, sources, notes);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      return { ok: false, container: container.name, missing: error };
    }
  }
  return { ok: true, env, notes: notes.list };
}

/** Init containers first, then those of the pod, then those that were added for debugging. */
export function allContainers({ spec }: Pod): readonly Container[] {
  return [...(spec?.initContainers ?? []), ...(spec?.containers ?? []), ...(spec?.ephemeralContainers ?? [])];
}

async function containerEnvironment(
  pod: Pod,
  container: Container,
  sources: EnvironmentSources,
  notes: OptionalNotes,
): Promise<EnvVars> {
  const { services } = sources;
  const values = new Map<string, string>();
  for (const source of container.envFrom ?? []) await takeAll(pod, source, values, sources.read, notes);
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (value !== undefined && value !== '') {
      values.set(
        name,
        expandReferences(value, (other) => values.get(other) ?? services.get(other)),
      );
    } else if (valueFrom?.fieldRef !== undefined) {
      values.set(name, variableField(pod, valueFrom.fieldRef.fieldPath, sources.addresses));
    } else if (valueFrom?.resourceFieldRef !== undefined) {
      values.set(name, resourceField(pod, container, valueFrom.resourceFieldRef, sources.allocatable));
    } else {
      const kind = valueFrom?.configMapKeyRef === undefined ? 'Secret' : 'ConfigMap';
      const key = valueFrom?.configMapKeyRef ?? valueFrom?.secretKeyRef;
      const resolved = key === undefined ? '' : await keyValue(pod, kind, key, sources.read, notes);
      if (resolved !== undefined) values.set(name, resolved);
    }
  }
  for (const [name, value] of services) if (!values.has(name)) values.set(name, value);
  return [...values].map(([name, value]) => ({ name, value }));
}

/** Every key of a ConfigMap or Secret. */
async function takeAll(
  pod: Pod,
  source: NonNullable<Container['envFrom']>[number],
  values: Map<string, string>,
  read: ReadReference,
  notes: OptionalNotes,
): Promise<void> {
  const from = source.configMapRef ?? source.secretRef;
  if (from === undefined) return;
  const kind = source.configMapRef === undefined ? 'Secret' : 'ConfigMap';
  const reference = referenceOf(pod, kind, from.name);
  const found = await lookUp(reference, from.optional ?? false, read);
  if (found === undefined) return notes.object(reference);
  const invalid: string[] = [];
  for (const [key, value] of [...found.values].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = `${source.prefix ?? ''}${key}`;
    if (NAME.test(name)) values.set(name, value);
    else invalid.push(name);
  }
  if (invalid.length === 0) return;
  const where = `${kind === 'Secret' ? 'secret' : 'configMap'} ${reference.namespace}/${reference.name}`;
  const why = 'were skipped since they are considered invalid environment variable names.';
  notes.add({
    reason: 'InvalidEnvironmentVariableNames',
    message: `Keys [${invalid.join(', ')}] from the EnvFrom ${where} ${why}`,
  });
}

/** One key of a ConfigMap or Secret; undefined when it is optional and not there. */
async function keyValue(
  pod: Pod,
  kind: Reference['kind'],
  { name, key, optional = false }: { readonly name?: string; readonly key: string; readonly optional?: boolean },
  read: ReadReference,
  notes: OptionalNotes,
): Promise<string | undefined> {
  const reference = referenceOf(pod, kind, name);
  const found = await lookUp(reference, optional, read);
  if (found === undefined) {
    notes.object(reference);
    return undefined;
  }
  const value = found.values.get(key);
  if (value !== undefined) return value;
  if (optional) {
    notes.key(reference, key);
    return undefined;
  }
  const message = `couldn't find key ${key} in ${kind} ${reference.namespace}/${reference.name}`;
  const note = { reason: `Mandatory${kind}KeyNotFound`, message };
  throw new Missing(message, { reference, version: found.resourceVersion, note });
}

function referenceOf(pod: Pod, kind: Reference['kind'], name: string | undefined): Reference {
  return { kind, namespace: pod.metadata?.namespace ?? '', name: name ?? '' };
}
