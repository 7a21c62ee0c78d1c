/** What the server fills in in a pod or a pod template. Source: pkg/apis/core/v1/defaults.go. */

import type { V1PodSpec, V1Probe, V1Volume } from '@kubernetes/client-node';
import type { Container, Wire } from '../../../kube/types.ts';

export type PodSpec = Wire<V1PodSpec>;
export type Probe = Wire<V1Probe>;
export type Volume = Wire<V1Volume>;

export function allContainers(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
}

/** In pods and templates alike. */
export function completePodSpec(spec: PodSpec): void {
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.restartPolicy ??= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ??= 'default-scheduler';
  if (spec.serviceAccountName === undefined && spec.serviceAccount !== undefined) {
    spec.serviceAccountName = spec.serviceAccount;
  } else if (spec.serviceAccountName !== undefined) {
    spec.serviceAccount = spec.serviceAccountName;
  }
  for (const container of allContainers(spec)) completeContainer(container);
  for (const volume of spec.volumes ?? []) completeVolume(volume);
  if (spec.hostNetwork === true) {
    for (const { ports } of allContainers(spec)) {
      for (const port of ports ?? []) port.hostPort ??= port.containerPort;
    }
  }
}

/** In pods only: templates do not show these. */
export function completePodOnly(spec: PodSpec): void {
  spec.enableServiceLinks ??= true;
  for (const container of allContainers(spec)) {
    const limits = container.resources?.limits;
    if (limits === undefined) continue;
    const requests = Object.entries({ ...limits, ...container.resources?.requests }).sort(([a], [b]) =>
      a < b ? -1 : 1,
    );
    container.resources = { ...container.resources, limits, requests: Object.fromEntries(requests) };
  }
}

function completeContainer(container: Container): void {
  container.imagePullPolicy ??= isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent';
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  for (const port of container.ports ?? []) port.protocol ??= 'TCP';
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    if (probe !== undefined) completeProbe(probe);
  }
  for (const handler of [container.lifecycle?.postStart, container.lifecycle?.preStop]) {
    if (handler?.httpGet !== undefined) completeHttpGet(handler.httpGet);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.fieldRef !== undefined) valueFrom.fieldRef.apiVersion ??= 'v1';
    if (valueFrom?.fileKeyRef !== undefined) valueFrom.fileKeyRef.optional ??= false;
  }
}

function isLatest(image: string): boolean {
  if (image.includes('@')) return false;
  const last = image.slice(image.lastIndexOf('/') + 1);
  const tag = last.includes(':') ? last.slice(last.lastIndexOf(':') + 1) : 'latest';
  return tag === 'latest';
}

function completeProbe(probe: Probe): void {
  probe.timeoutSeconds ??= 1;
  probe.periodSeconds ??= 10;
  probe.successThreshold ??= 1;
  probe.failureThreshold ??= 3;
  if (probe.httpGet !== undefined) completeHttpGet(probe.httpGet);
  if (probe.grpc !== undefined) probe.grpc.service ??= '';
}

function completeHttpGet(action: { path?: string; scheme?: string }): void {
  action.path ??= '/';
  action.scheme ??= 'HTTP';
}

function completeVolume(volume: Volume): void {
  const { name: _, ...sources } = volume;
  if (Object.keys(sources).length === 0) volume.emptyDir = {};
  const { secret, configMap, downwardAPI, projected, hostPath } = volume;
  for (const source of [secret, configMap, downwardAPI, projected]) {
    if (source !== undefined) source.defaultMode ??= 0o644;
  }
  for (const item of downwardAPI?.items ?? []) if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1';
  for (const source of projected?.sources ?? []) {
    if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600;
    for (const item of source.downwardAPI?.items ?? []) {
      if (item.fieldRef !== undefined) item.fieldRef.apiVersion ??= 'v1';
    }
  }
  if (hostPath !== undefined) hostPath.type ??= '';
}
