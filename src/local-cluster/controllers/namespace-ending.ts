import { ApiError } from '../../kube/client.ts';

/** Nothing can be created in the namespace any more: it ends, which is nobody's mistake, and trying again is no use. */
export function isNamespaceEnding(error: unknown): boolean {
  return (
    error instanceof ApiError && (error.details?.causes ?? []).some(({ reason }) => reason === 'NamespaceTerminating')
  );
}
