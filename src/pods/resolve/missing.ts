/** Why a pod cannot be resolved yet. Messages are a kubelet's and never hold a value. */
import type { Reference } from './references.ts';

/** What people are told of a pod beside its status. */
export interface Note {
  /** CamelCase. */
  readonly reason: string;
  readonly message: string;
}

export class Missing extends Error {
  /** What is missing, and in which version it was seen not to suffice (undefined: not there at all). */
  readonly reference: Reference | undefined;
  readonly version: string | undefined;
  /** Virtual Kubelet's own Event for it, where it has one. */
  readonly note: Note | undefined;

  constructor(
    message: string,
    about: {
      readonly reference?: Reference;
      readonly version?: string | undefined;
      readonly note?: Note | undefined;
    } = {},
  ) {
    super(message);
    this.reference = about.reference;
    this.version = about.version;
    this.note = about.note;
  }
}
