/** What is there from the start. */
import { API_SERVER_ADDRESS } from './admission/service-address.ts';
import type { ApiObject } from './api-object.ts';
import { internalCall } from './housekeeping.ts';
import { configMaps } from './kinds/config.ts';
import { namespaces } from './kinds/namespaces.ts';
import { services } from './kinds/services.ts';
import { createObject } from './requests/create.ts';
import { updateObject } from './requests/update.ts';
import type { ServerContext } from './server-context.ts';

const NAMESPACES = ['default', 'kube-node-lease', 'kube-public', 'kube-system'];
/** Where aggregated API servers, and kubelets of ours, learn whose client certificates count. */
const AUTHENTICATION = 'extension-apiserver-authentication';

/** How pods find the API server, by the kubernetes-service controller of a real one. Nothing routes to it here. */
const API_SERVER = {
  kind: 'Service',
  apiVersion: 'v1',
  metadata: { name: 'kubernetes', labels: { component: 'apiserver', provider: 'kubernetes' } },
  spec: {
    clusterIP: API_SERVER_ADDRESS,
    ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: 6443 }],
  },
} as ApiObject;

export function bootstrap(server: ServerContext, clientCa: string): void {
  const { store } = server;
  for (const name of NAMESPACES) {
    if (store.collection('namespaces').get(name) !== undefined) continue;
    const object: ApiObject = { kind: 'Namespace', apiVersion: 'v1', metadata: { name } };
    namespaces.complete(object);
    createObject(server, internalCall(namespaces, undefined), object, false);
  }
  if (store.collection('services').get('default/kubernetes') === undefined) {
    const object = structuredClone(API_SERVER);
    services.complete(object);
    createObject(server, internalCall(services, 'default'), object, false);
  }
  if (clientCa === '') return;
  const call = internalCall(configMaps, 'kube-system');
  const data = { 'client-ca-file': clientCa };
  const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: AUTHENTICATION }, data } as ApiObject;
  const known = store.collection('configmaps').get(`kube-system/${AUTHENTICATION}`);
  if (known === undefined) createObject(server, call, object, false);
  else updateObject(server, call, known, object, undefined, false);
}
