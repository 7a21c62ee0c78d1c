/** One reference of a pod, read with the rules for what may be missing. */
import { hasCode, messageOf } from '../../errors.ts';
import { Missing, type Note } from './missing.ts';
import type { Referenced } from './referenced.ts';
import type { ReadReference, Reference } from './references.ts';

/** Undefined for an optional object that is not there. `Missing` for what has to be there, or may not be looked at. */
export async function lookUp(
  reference: Reference,
  optional: boolean,
  read: ReadReference,
): Promise<Referenced | undefined> {
  const { kind } = reference;
  let found: Referenced | undefined;
  try {
    found = await read(reference);
  } catch (error) {
    // Not allowed to look: nothing that a retry of the same pod alone would change, so people must be told.
    if (!hasCode(error, 'Forbidden', 'Unauthorized')) throw error;
    const reason = `FailedToRead${optional ? 'Optional' : 'Mandatory'}${kind}`;
    const message = messageOf(error);
    throw new Missing(message, { reference, note: { reason, message } });
  }
  if (found === undefined && !optional) {
    const message = absent(reference);
    throw new Missing(message, { reference, note: { reason: `Mandatory${kind}NotFound`, message } });
  }
  return found;
}

function absent({ kind, name }: Reference): string {
  return `${kind.toLowerCase()} "${name}" not found`;
}

/** Virtual Kubelet's Events for optional references that are not there, once per object or key. */
export class OptionalNotes {
  readonly #notes = new Map<string, Note>();

  object(reference: Reference): void {
    this.add({ reason: `Optional${reference.kind}NotFound`, message: absent(reference) });
  }

  key({ kind, namespace, name }: Reference, key: string): void {
    const message = `couldn't find key ${key} in ${kind} ${namespace}/${name}`;
    this.add({ reason: `Optional${kind}KeyNotFound`, message });
  }

  add(note: Note): void {
    this.#notes.set(`${note.reason} ${note.message}`, note);
  }

  get list(): readonly Note[] {
    return [...this.#notes.values()];
  }
}
