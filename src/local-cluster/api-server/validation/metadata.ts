/** What must hold of the metadata of every object. Source: k8s.io/apimachinery pkg/api/validation/objectmeta.go. */
import type { ObjectMeta } from '../../../kube/types.ts';
import { sameJson } from '../api-object.ts';
import { type FieldProblem, forbiddenField, invalidValue, required } from '../failure.ts';
import { type Check, labelValue, qualifiedName } from './names.ts';

/** Of all annotations of one object together, in bytes. */
const ANNOTATIONS_MAX = 256 * 1024;

export function metadataProblems(metadata: ObjectMeta, namespaced: boolean, nameCheck: Check): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { name = '', generateName, namespace = '', labels, annotations, ownerReferences, finalizers } = metadata;
  if (generateName !== undefined) {
    // The end is cut off and random characters come behind it.
    const complaint = nameCheck(generateName.endsWith('-') ? `${generateName.slice(0, -1)}a` : generateName);
    if (complaint !== undefined) problems.push(invalidValue('metadata.generateName', generateName, complaint));
  }
  if (name === '') problems.push(required('metadata.name', 'name or generateName is required'));
  else {
    const complaint = nameCheck(name);
    if (complaint !== undefined) problems.push(invalidValue('metadata.name', name, complaint));
  }
  if (namespaced && namespace === '') problems.push(required('metadata.namespace'));
  if (!namespaced && namespace !== '') {
    problems.push(forbiddenField('metadata.namespace', 'not allowed on this type'));
  }
  problems.push(...labelProblems(labels, 'metadata.labels'));
  problems.push(...annotationProblems(annotations, 'metadata.annotations'));
  for (const [i, finalizer] of (finalizers ?? []).entries()) {
    const path = `metadata.finalizers[${i}]`;
    const complaint = qualifiedName(finalizer);
    if (complaint !== undefined) problems.push(invalidValue(path, finalizer, complaint));
    else if (!finalizer.includes('/') && !STANDARD_FINALIZERS.includes(finalizer)) {
      problems.push(
        invalidValue(path, finalizer, 'name is neither a standard finalizer name nor is it fully qualified'),
      );
    }
  }
  if (finalizers?.includes('orphan') && finalizers.includes('foregroundDeletion')) {
    const why = 'finalizer orphan and foregroundDeletion cannot be both set';
    problems.push(invalidValue('metadata.finalizers', finalizers, why));
  }
  let controllers = 0;
  for (const owner of ownerReferences ?? []) {
    for (const field of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      // Not `Required`: the API server calls these invalid. A version without group is complete.
      if ((owner[field] ?? '') === '')
        problems.push(invalidValue(`metadata.ownerReferences.${field}`, '', 'must not be empty'));
    }
    if (owner.controller === true) controllers++;
  }
  if (controllers > 1) {
    const why = 'Only one reference can have Controller set to true. Found "true" in references for several owners';
    problems.push(invalidValue('metadata.ownerReferences', ownerReferences, why));
  }
  return problems;
}

const STANDARD_FINALIZERS = ['kubernetes', 'orphan', 'foregroundDeletion'];

export function labelProblems(labels: Readonly<Record<string, string>> | undefined, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    const keyComplaint = qualifiedName(key);
    if (keyComplaint !== undefined) problems.push(invalidValue(path, key, keyComplaint));
    const valueComplaint = labelValue(value);
    if (valueComplaint !== undefined) problems.push(invalidValue(path, value, valueComplaint));
  }
  return problems;
}

function annotationProblems(annotations: Readonly<Record<string, string>> | undefined, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    const complaint = qualifiedName(key.toLowerCase());
    if (complaint !== undefined) problems.push(invalidValue(path, key, complaint));
    size += key.length + value.length;
  }
  if (size > ANNOTATIONS_MAX) {
    const message = `Too long: may not be more than ${ANNOTATIONS_MAX} bytes`;
    problems.push({ reason: 'FieldValueTooLong', field: path, message });
  }
  return problems;
}

/** What an update may not change. */
export function metadataUpdateProblems(next: ObjectMeta, old: ObjectMeta): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const immutable = [
    'name',
    'namespace',
    'uid',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ] as const;
  for (const field of immutable) {
    if (next[field] !== old[field]) {
      problems.push(invalidValue(`metadata.${field}`, next[field] ?? null, 'field is immutable'));
    }
  }
  if (old.deletionTimestamp !== undefined) {
    // Nobody can hold up an end that is under way.
    const added = (next.finalizers ?? []).filter((finalizer) => !old.finalizers?.includes(finalizer));
    if (added.length > 0) {
      const why = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((finalizer) => JSON.stringify(finalizer)).join(', ')}}`;
      problems.push(forbiddenField('metadata.finalizers', why));
    }
  }
  return problems;
}

export function immutableField(field: string, next: unknown, old: unknown): FieldProblem[] {
  return sameJson(next, old) ? [] : [invalidValue(field, next, 'field is immutable')];
}
