/** Lists and objects as a `Table`: what `kubectl get` prints. Source: pkg/printers/internalversion. */

import type { ApiObject } from '../api-object.ts';
import type { Call } from '../requests/call.ts';
import type { Page } from '../requests/list.ts';
import type { ServerContext } from '../server-context.ts';
import type { Stored } from '../storage/store.ts';
import { columnsOf } from './columns.ts';

interface TableHead {
  readonly resourceVersion?: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export function tableJson(server: ServerContext, call: Call, page: Page): string {
  return table(server, call, page.items, {
    resourceVersion: String(page.revision),
    ...(page.continue === undefined ? {} : { continue: page.continue }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  });
}

export function tableOfItems(server: ServerContext, call: Call, items: readonly Stored[]): string {
  const [only] = items;
  return table(server, call, items, only === undefined ? {} : { resourceVersion: String(only.revision) });
}

/** Writes the events of a watch: each with a table of one row, the columns only in the first. */
export function tableFor(server: ServerContext, call: Call): (type: string, stored: Stored) => string {
  let isFirst = true;
  return (type, stored) => {
    const items = type === 'BOOKMARK' ? [] : [stored];
    const json = table(server, call, items, { resourceVersion: String(stored.revision) }, isFirst);
    if (type !== 'BOOKMARK') isFirst = false;
    return `{"type":"${type}","object":${json}}\n`;
  };
}

function table(
  server: ServerContext,
  call: Call,
  items: readonly Stored[],
  metadata: TableHead,
  withColumns = true,
): string {
  const { kind, request } = call;
  const nowMs = server.clock.now();
  const columns = columnsOf(kind.kind);
  const include = request.query.includeObject ?? 'Metadata';
  const rows = items.map(({ object }) => ({
    cells: columns.map(({ cell }) => cell(object, nowMs)),
    ...(include === 'None' ? {} : { object: include === 'Object' ? object : partial(object) }),
  }));
  const definitions = columns.map(({ name, type, format = '', priority = 0 }) => ({
    name,
    type,
    format,
    description: '',
    priority,
  }));
  return JSON.stringify({
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: withColumns ? definitions : null,
    rows,
  });
}

function partial({ metadata }: ApiObject): object {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata };
}
