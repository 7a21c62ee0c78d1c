/**
 * What the server refuses, as the `Status` object that a Kubernetes client reads.
 * Source of reasons and messages: k8s.io/apimachinery pkg/api/errors.
 */
import type { ApiStatus } from '../../kube/types.ts';

export interface FieldProblem {
  /** `FieldValueInvalid`, `FieldValueRequired`, ...: pkg/util/validation/field. */
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** Names what a message speaks of. */
export interface Subject {
  readonly group: string;
  /** The plural; for `Invalid` the kind. */
  readonly resource: string;
}

export class Failure extends Error {
  readonly status: ApiStatus & { readonly code: number };

  constructor(code: number, reason: string, message: string, details?: ApiStatus['details']) {
    super(message);
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason === '' ? {} : { reason }),
      ...(details === undefined ? {} : { details }),
      code,
    };
  }
}

function qualified({ group, resource }: Subject): string {
  return group === '' ? resource : `${resource}.${group}`;
}

function details({ group, resource }: Subject, name: string): NonNullable<ApiStatus['details']> {
  return {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(resource === '' ? {} : { kind: resource }),
  };
}

export function notFound(subject: Subject, name: string): Failure {
  return new Failure(404, 'NotFound', `${qualified(subject)} "${name}" not found`, details(subject, name));
}

export function alreadyExists(subject: Subject, name: string): Failure {
  const message = `${qualified(subject)} "${name}" already exists`;
  return new Failure(409, 'AlreadyExists', message, details(subject, name));
}

export function conflict(subject: Subject, name: string, why: string): Failure {
  const message = `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${why}`;
  return new Failure(409, 'Conflict', message, details(subject, name));
}

export const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again';

export function forbidden(subject: Subject, name: string, why: string, causes?: readonly FieldProblem[]): Failure {
  const target = name === '' ? qualified(subject) : `${qualified(subject)} "${name}"`;
  return new Failure(403, 'Forbidden', `${target} is forbidden: ${why}`, {
    ...details(subject, name),
    ...(causes === undefined ? {} : { causes: [...causes] }),
  });
}

/** `subject.resource` is the kind here. */
export function invalid(subject: Subject, name: string, problems: readonly FieldProblem[]): Failure {
  // What two checks found is said once in the text, and stands twice among the causes.
  const texts = [...new Set(problems.map(({ field, message }) => `${field}: ${message}`))];
  const text = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
  return new Failure(422, 'Invalid', `${qualified(subject)} "${name}" is invalid: ${text}`, {
    ...details(subject, name),
    causes: problems.map(({ reason, field, message }) => ({ reason, message, field })),
  });
}

export function badRequest(message: string): Failure {
  return new Failure(400, 'BadRequest', message);
}

export function internal(message: string): Failure {
  return new Failure(500, 'InternalError', `Internal error occurred: ${message}`, { causes: [{ message }] });
}

/** An error that the API server passes on without a reason. */
export function plainError(message: string): Failure {
  return new Failure(500, '', message);
}

export function unauthorized(): Failure {
  return new Failure(401, 'Unauthorized', 'Unauthorized');
}

/** 404 of a path that is served by nothing. */
export function pathNotFound(): Failure {
  return new Failure(404, 'NotFound', 'the server could not find the requested resource', {});
}

export function methodNotAllowed(): Failure {
  return new Failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {});
}

export function unsupportedMediaType(accepted: readonly string[]): Failure {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`;
  return new Failure(415, 'UnsupportedMediaType', message);
}

export function notAcceptable(accepted: readonly string[]): Failure {
  const message = `406: Not Acceptable\n\nAvailable representations: ${accepted.join(', ')}`;
  return new Failure(406, 'NotAcceptable', message, {});
}

/** A position in a list or watch that is gone. */
export function expired(message: string): Failure {
  return new Failure(410, 'Expired', message);
}

// Problems of fields: pkg/util/validation/field/errors.go.

export function invalidValue(field: string, value: unknown, why: string): FieldProblem {
  const shown = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? 'null');
  return { reason: 'FieldValueInvalid', field, message: `Invalid value: ${shown}: ${why}` };
}

export function required(field: string, why = ''): FieldProblem {
  return { reason: 'FieldValueRequired', field, message: why === '' ? 'Required value' : `Required value: ${why}` };
}

export function notSupported(field: string, value: unknown, allowed: readonly string[]): FieldProblem {
  const values = allowed.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`;
  return { reason: 'FieldValueNotSupported', field, message };
}

export function forbiddenField(field: string, why: string): FieldProblem {
  return { reason: 'FieldValueForbidden', field, message: `Forbidden: ${why}` };
}

export function duplicate(field: string, value: unknown): FieldProblem {
  return { reason: 'FieldValueDuplicate', field, message: `Duplicate value: ${JSON.stringify(value)}` };
}
