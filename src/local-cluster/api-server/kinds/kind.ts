/** What the server knows of a kind: how its objects are completed, checked, changed and found. */
import type { Clock, Random } from '../../../clock.ts';
import type { ApiObject } from '../api-object.ts';
import type { FieldProblem } from '../failure.ts';
import type { FieldLabels } from '../selectors/fields.ts';
import type { Check } from '../validation/names.ts';

export interface KindContext {
  readonly clock: Clock;
  readonly random: Random;
}

/** How a subresource that shows a part of the object (such as `status`) may change it. */
export interface PartialUpdate {
  /** Puts back what this path may not change. */
  prepare(next: ApiObject, old: ApiObject): void;
  problems(next: ApiObject, old: ApiObject): FieldProblem[];
}

export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly nameCheck: Check;
  readonly fieldLabels: FieldLabels;
  /** PUT to a name that is not there creates it. */
  readonly allowCreateOnUpdate: boolean;
  /** An update without resourceVersion overwrites. */
  readonly allowUnconditionalUpdate: boolean;
  /** DELETE answers with the object, not with a Status. */
  readonly returnsDeleted: boolean;
  /** Undefined: the kind does not count generations. True when the change counts as one. */
  readonly generation?: (next: ApiObject, old: ApiObject) => boolean;
  /** Fills in what is left out, at every write. Changes `object`. */
  complete(object: ApiObject): void;
  /** At creation, after `complete` and the admissions. */
  prepareCreate(object: ApiObject, context: KindContext): void;
  problems(object: ApiObject): FieldProblem[];
  prepareUpdate(next: ApiObject, old: ApiObject): void;
  /** On top of `problems`. */
  updateProblems(next: ApiObject, old: ApiObject): FieldProblem[];
  readonly status?: PartialUpdate;
  readonly scale?: ScaleFields;
  /** Seconds that the object stays for after DELETE; undefined when the kind ends at once. */
  graceSeconds?(object: ApiObject, requested: number | undefined): number;
}

/** Where `scale` finds things. */
export interface ScaleFields {
  replicas(object: ApiObject): number;
  setReplicas(object: ApiObject, replicas: number): void;
  statusReplicas(object: ApiObject): number;
  selector(object: ApiObject): string;
}

/** How messages name it: `deployments.apps`. Also its collection in the store. */
export function qualifiedResource(kind: Pick<Kind, 'group' | 'plural'>): string {
  return kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
}

export function apiVersionOf(kind: Pick<Kind, 'group' | 'version'>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** A kind with nothing special: what most parts of a kind are. */
export const ordinary = {
  fieldLabels: {},
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: true,
  returnsDeleted: false,
  complete() {},
  prepareCreate() {},
  problems: () => [],
  prepareUpdate() {},
  updateProblems: () => [],
} satisfies Partial<Kind>;
