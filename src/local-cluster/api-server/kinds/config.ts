/** ConfigMaps, Secrets and ServiceAccounts. Source: pkg/apis/core/validation (ValidateConfigMap, ValidateSecret). */
import type { ConfigMap, Secret } from '../../../kube/types.ts';
import type { ApiObject } from '../api-object.ts';
import { type FieldProblem, forbiddenField, invalidValue, required } from '../failure.ts';
import { immutableField } from '../validation/metadata.ts';
import { configKey, dnsSubdomain } from '../validation/names.ts';
import { type Kind, ordinary } from './kind.ts';

/** Of all values of one object, in bytes. */
const MAX_BYTES = 1024 * 1024;

const core = { group: '', version: 'v1', namespaced: true, nameCheck: dnsSubdomain } as const;

export const configMaps: Kind = {
  ...ordinary,
  ...core,
  plural: 'configmaps',
  singular: 'configmap',
  kind: 'ConfigMap',
  shortNames: ['cm'],
  problems(object: ApiObject) {
    const { data = {}, binaryData = {} } = object as ConfigMap;
    const problems = keyProblems({ ...data }, 'data');
    for (const key of Object.keys(binaryData)) {
      if (Object.hasOwn(data, key)) {
        problems.push(invalidValue(`data[${key}]`, key, `duplicate of key present in binaryData`));
      }
    }
    problems.push(...keyProblems(binaryData, 'binaryData'));
    const size = bytes(data) + decodedBytes(binaryData);
    if (size > MAX_BYTES) problems.push(tooLong(''));
    return problems;
  },
  updateProblems(next, old) {
    const a = next as ConfigMap;
    const b = old as ConfigMap;
    if (b.immutable !== true) return [];
    return [
      ...(a.immutable === true ? [] : [forbiddenField('immutable', 'field is immutable when `immutable` is set')]),
      ...immutableWhenSet('data', a.data, b.data),
      ...immutableWhenSet('binaryData', a.binaryData, b.binaryData),
    ];
  },
};

export const secrets: Kind = {
  ...ordinary,
  ...core,
  plural: 'secrets',
  singular: 'secret',
  kind: 'Secret',
  fieldLabels: { type: (object) => (object as Secret).type ?? '' },
  complete(object: ApiObject) {
    const secret = object as Secret;
    secret.type ??= 'Opaque';
    for (const [key, value] of Object.entries(secret.stringData ?? {})) {
      secret.data = { ...secret.data, [key]: Buffer.from(value).toString('base64') };
    }
    delete secret.stringData;
  },
  problems(object: ApiObject) {
    const { data = {}, type, metadata } = object as Secret;
    const problems = keyProblems(data, 'data');
    if (decodedBytes(data) > MAX_BYTES) problems.push(tooLong('data'));
    const needed = REQUIRED_KEYS[type ?? ''] ?? [];
    if (type === 'kubernetes.io/basic-auth') {
      if (!('username' in data) && !('password' in data)) {
        problems.push(required('data[username]'), required('data[password]'));
      }
    }
    for (const key of needed) if (!Object.hasOwn(data, key)) problems.push(required(`data[${key}]`));
    if (type === 'kubernetes.io/service-account-token') {
      const account = metadata?.annotations?.['kubernetes.io/service-account.name'] ?? '';
      if (account === '') problems.push(required('metadata.annotations[kubernetes.io/service-account.name]'));
    }
    return problems;
  },
  updateProblems(next, old) {
    const a = next as Secret;
    const b = old as Secret;
    return [
      ...immutableField('type', a.type, b.type),
      ...(b.immutable !== true
        ? []
        : [
            ...(a.immutable === true
              ? []
              : [forbiddenField('immutable', 'field is immutable when `immutable` is set')]),
            ...immutableWhenSet('data', a.data, b.data),
          ]),
    ];
  },
};

const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

export const serviceAccounts: Kind = {
  ...ordinary,
  ...core,
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  kind: 'ServiceAccount',
  shortNames: ['sa'],
  returnsDeleted: true,
};

function keyProblems(data: Readonly<Record<string, string>>, path: string): FieldProblem[] {
  return Object.keys(data).flatMap((key) => {
    const complaint = configKey(key);
    return complaint === undefined ? [] : [invalidValue(`${path}[${key}]`, key, complaint)];
  });
}

function bytes(data: Readonly<Record<string, string>>): number {
  return Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value), 0);
}

function decodedBytes(data: Readonly<Record<string, string>>): number {
  return Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value, 'base64'), 0);
}

function tooLong(field: string): FieldProblem {
  return { reason: 'FieldValueTooLong', field, message: `Too long: may not be more than ${MAX_BYTES} bytes` };
}

function immutableWhenSet(field: string, next: unknown, old: unknown): FieldProblem[] {
  return immutableField(field, next, old).length === 0
    ? []
    : [forbiddenField(field, 'field is immutable when `immutable` is set')];
}
