/**
 * What the API server's policy (`zonelet fence-policy`, action `enforce`) refuses: the embedded one has no CEL. The
 * expressions themselves are tried on a real one.
 */
import { epochFloor, writerEpoch } from '../../../src/election/epoch-floor.ts';
import { WRITER_EPOCH_ANNOTATION } from '../../../src/election/names.ts';
import type { ApiRequest } from '../../../src/kube/transport.ts';
import type { KubeObject, Node, Pod } from '../../../src/kube/types.ts';
import type { History } from './history.ts';

const STATUS = /^\/api\/v1\/(?:namespaces\/([^/]+)\/pods|nodes)\/([^/]+)\/status$/;

/** Why a status is refused; undefined when it is not. */
export function refusedByFence({ method, path, body = '' }: ApiRequest, history: History): string | undefined {
  if (method !== 'PATCH') return undefined;
  const [, namespace, name = ''] = STATUS.exec(path) ?? [];
  if (name === '') return undefined;
  const before =
    namespace === undefined ? history.object('nodes', name) : history.object('pods', `${namespace}/${name}`);
  const nodeName = namespace === undefined ? name : ((before as Pod | undefined)?.spec?.nodeName ?? '');
  const node = history.object('nodes', nodeName) as Node | undefined;
  // A Node that was deleted fences nobody.
  if (before === undefined || node === undefined) return undefined;
  const { metadata } = JSON.parse(String(body)) as KubeObject;
  const given = metadata?.annotations?.[WRITER_EPOCH_ANNOTATION];
  const last = writerEpoch(before) ?? 0;
  const written = given === undefined ? last : Number(given);
  if (written === 0) return 'no epoch is carried';
  const fence = Math.max(epochFloor(node) ?? 0, last);
  return written < fence ? `fenced: epoch ${written} is below ${fence}` : undefined;
}
