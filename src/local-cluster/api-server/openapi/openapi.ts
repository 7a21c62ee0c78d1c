/** `/openapi/v3` (an index and a document for each group and version) and `/openapi/v2` (one document, JSON only). */
import type { CoreResponse } from '../server-context.ts';

export function openApi(_path: string, _accept: string | undefined): CoreResponse | undefined {
  return undefined;
}
