/**
 * Services, as far as clients and pods' environments look at them; nothing routes to them here. Source: pkg/apis/core/v1/defaults.go,
 * pkg/apis/core/validation (ValidateService).
 */
import type { Service } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { duplicate, type FieldProblem, invalidValue, notSupported, required } from '../failure.ts';
import { immutableField } from '../validation/metadata.ts';
import { dnsLabel } from '../validation/names.ts';
import { type Kind, ordinary } from './kind.ts';

type Port = NonNullable<NonNullable<Service['spec']>['ports']>[number];

/** Those that need no ports of nodes and no cloud. */
const TYPES = ['ClusterIP', 'ExternalName'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

export const services: Kind = {
  ...ordinary,
  group: '',
  version: 'v1',
  plural: 'services',
  singular: 'service',
  kind: 'Service',
  namespaced: true,
  shortNames: ['svc'],
  categories: ['all'],
  // Since 1.36; it was a label that may not begin with a digit.
  nameCheck: dnsLabel,
  returnsDeleted: true,
  complete(object: ApiObject) {
    const { spec } = object as Service;
    if (spec === undefined) return;
    spec.type ??= 'ClusterIP';
    spec.sessionAffinity ??= 'None';
    for (const port of spec.ports ?? []) {
      port.protocol ??= 'TCP';
      if ([undefined, 0, ''].includes(port.targetPort)) port.targetPort = port.port;
    }
    if (spec.type === 'ClusterIP') spec.internalTrafficPolicy ??= 'Cluster';
  },
  prepareCreate(object: ApiObject) {
    (object as Service).status = { loadBalancer: {} };
  },
  problems(object: ApiObject) {
    const { type = '', ports = [], clusterIP, externalName } = (object as Service).spec ?? {};
    const problems: FieldProblem[] = [];
    if (!TYPES.includes(type)) problems.push(notSupported('spec.type', type, TYPES));
    if (type === 'ExternalName' && (externalName ?? '') === '') problems.push(required('spec.externalName'));
    if (type === 'ClusterIP' && clusterIP !== 'None' && ports.length === 0) problems.push(required('spec.ports'));
    return [...problems, ...ports.flatMap((port, i) => portProblems(port, i, ports))];
  },
  prepareUpdate(next, old) {
    const before = old as Service;
    const after = next as Service;
    if (before.status === undefined) delete after.status;
    else after.status = before.status;
    if (after.spec === undefined || after.spec.type === 'ExternalName') return;
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const) {
      const kept = before.spec?.[field];
      if (after.spec[field] === undefined && kept !== undefined) Object.assign(after.spec, { [field]: kept });
    }
  },
  updateProblems(next, old) {
    const before = (old as Service).spec?.clusterIP;
    const { type, clusterIP } = (next as Service).spec ?? {};
    if (before === undefined || type === 'ExternalName') return [];
    return immutableField('spec.clusterIPs[0]', clusterIP, before);
  },
};

function portProblems({ port, name = '', protocol = '' }: Port, i: number, all: readonly Port[]): FieldProblem[] {
  const at = `spec.ports[${i}]`;
  const problems: FieldProblem[] = [];
  if (name === '' && all.length > 1) problems.push(required(`${at}.name`));
  else if (name !== '' && dnsLabel(name) !== undefined) {
    problems.push(invalidValue(`${at}.name`, name, dnsLabel(name) ?? ''));
  } else if (name !== '' && all.slice(0, i).some((other) => other.name === name)) {
    problems.push(duplicate(`${at}.name`, name));
  }
  if (port < 1 || port > 65_535)
    problems.push(invalidValue(`${at}.port`, port, 'must be between 1 and 65535, inclusive'));
  if (!PROTOCOLS.includes(protocol)) problems.push(notSupported(`${at}.protocol`, protocol, PROTOCOLS));
  return problems;
}
