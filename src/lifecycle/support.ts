/** What of a pod's probes and hooks the engine cannot honour: everything is dialled inside the pod itself. */
import type { Container } from '../kube/types.ts';
import type { PodSpec } from './record.ts';

export interface UnsupportedField {
  /** JSON path, such as `spec.containers[0].livenessProbe.httpGet.host`. */
  readonly path: string;
  readonly reason: string;
}

const OTHER_HOST = 'probes and hooks reach nothing but the pod itself';

export function unsupportedInLife(spec: PodSpec | undefined): readonly UnsupportedField[] {
  const found: UnsupportedField[] = [];
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (spec?.[list] ?? []).entries()) {
      for (const { path, reason } of inContainer(container)) found.push({ path: `spec.${list}[${i}].${path}`, reason });
    }
  }
  return found;
}

function* inContainer({ lifecycle, ...container }: Container): Generator<UnsupportedField> {
  const handlers = {
    livenessProbe: container.livenessProbe,
    readinessProbe: container.readinessProbe,
    startupProbe: container.startupProbe,
    'lifecycle.postStart': lifecycle?.postStart,
    'lifecycle.preStop': lifecycle?.preStop,
  };
  for (const [at, handler] of Object.entries(handlers)) {
    for (const kind of ['httpGet', 'tcpSocket'] as const) {
      if ((handler?.[kind]?.host ?? '') !== '') yield { path: `${at}.${kind}.host`, reason: OTHER_HOST };
    }
  }
  for (const at of ['postStart', 'preStop'] as const) {
    if (lifecycle?.[at]?.tcpSocket !== undefined) {
      yield {
        path: `lifecycle.${at}.tcpSocket`,
        reason: 'Kubernetes gave hooks of this kind up; a kubelet fails them',
      };
    }
  }
  if (lifecycle?.stopSignal !== undefined) {
    yield { path: 'lifecycle.stopSignal', reason: 'containers are asked to end with SIGTERM' };
  }
}
