/** What is there from the start. */
import type { ApiObject } from './api-object.ts';
import { internalCall } from './housekeeping.ts';
import { configMaps } from './kinds/config.ts';
import { namespaces } from './kinds/namespaces.ts';
import { createObject } from './requests/create.ts';
import { updateObject } from './requests/update.ts';
import type { ServerContext } from './server-context.ts';

const NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];
/** Where aggregated API servers, and kubelets of ours, learn whose client certificates count. */
const AUTHENTICATION = 'extension-apiserver-authentication';

export function bootstrap(server: ServerContext, clientCa: string): void {
  const { store } = server;
  for (const name of NAMESPACES) {
    if (store.collection('namespaces').get(name) !== undefined) continue;
    const object: ApiObject = { kind: 'Namespace', apiVersion: 'v1', metadata: { name } };
    namespaces.complete(object);
    createObject(server, internalCall(namespaces, undefined), object, false);
  }
  if (clientCa === '') return;
  const call = internalCall(configMaps, 'kube-system');
  const data = { 'client-ca-file': clientCa };
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: AUTHENTICATION }, data } as ApiObject;
  const known = store.collection('configmaps').get(`kube-system/${AUTHENTICATION}`);
  if (known === undefined) createObject(server, call, object, false);
  else updateObject(server, call, known, object, undefined, false);
}
