/**
 * `pods/exec`, `pods/attach` and `pods/portforward`: where the kubelet is that serves them, and in its words. The connection is
 * passed through as it is: unlike the real API server this one translates no WebSocket, since the kubelets here speak both.
 */
import type { Pod } from '../../kube/types.ts';
import { badRequest } from './failure.ts';
import { containerOf, kubeletOf } from './pod-logs.ts';
import { type CoreRequest, type CoreResponse, jsonResponse, type ServerContext } from './server-context.ts';

/** The options of the API by the names that the kubelet has for them. */
const FLAGS = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' };

export function podStream(
  server: ServerContext,
  pod: Pod,
  kind: 'exec' | 'attach' | 'portforward',
  request: CoreRequest,
): CoreResponse {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const nodeName = pod.spec?.nodeName ?? '';
  if (nodeName === '') throw badRequest(`pod ${name} does not have a host assigned`);
  const asked = new URLSearchParams(request.search ?? '');
  const query = new URLSearchParams();
  const segments = [namespace, name];
  if (kind === 'portforward') {
    for (const ports of asked.getAll('ports')) query.append('port', ports);
  } else {
    segments.push(containerOf(pod, asked.get('container') ?? ''));
    for (const [flag, kubelets] of Object.entries(FLAGS)) {
      if (['true', '1'].includes(asked.get(flag) ?? '')) query.set(kubelets, '1');
    }
    if (kind === 'exec') for (const word of asked.getAll('command')) query.append('command', word);
  }
  const path = `/${kind === 'portforward' ? 'portForward' : kind}/${segments.map(encodeURIComponent).join('/')}`;
  const refusal = badRequest('Upgrade request required');
  return {
    // What it is without an upgrade.
    ...jsonResponse(refusal.status.code, JSON.stringify(refusal.status)),
    upgrade: { ...kubeletOf(server, nodeName), path: `${path}?${query.toString()}` },
  };
}
