/** What must hold of a pod's spec, also in a template. Source: pkg/apis/core/validation (ValidatePodSpec). */
import type { Container } from '../../../kube/types.ts';
import { compareQuantities } from '../../../quantity.ts';
import { duplicate, type FieldProblem, forbiddenField, invalidValue, notSupported, required } from '../failure.ts';
import type { PodSpec, Volume } from '../kinds/pod-defaults.ts';
import { labelProblems } from './metadata.ts';
import { configKey, dnsLabel, dnsSubdomain, environmentName, portName, qualifiedName } from './names.ts';
import { probeProblems } from './probe.ts';
import { tolerationProblems, topologyProblems } from './scheduling.ts';

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];
const MESSAGE_POLICIES = ['FallbackToLogsOnError', 'File'];
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

export function podSpecProblems(spec: PodSpec, path: string): FieldProblem[] {
  const volumes = volumeProblems(spec.volumes ?? [], `${path}.volumes`);
  const names = new Set((spec.volumes ?? []).map(({ name }) => name));
  const problems = [...volumes];
  if ((spec.containers ?? []).length === 0) problems.push(required(`${path}.containers`));
  const seen = new Set<string>();
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      const at = `${path}.${list}[${i}]`;
      problems.push(...containerProblems(container, at, names, list === 'initContainers'));
      if (seen.has(container.name)) problems.push(duplicate(`${at}.name`, container.name));
      seen.add(container.name);
    }
  }
  const { restartPolicy = '', dnsPolicy = '', terminationGracePeriodSeconds: grace, activeDeadlineSeconds } = spec;
  if (!RESTART_POLICIES.includes(restartPolicy)) {
    problems.push(notSupported(`${path}.restartPolicy`, restartPolicy, RESTART_POLICIES));
  }
  if (!DNS_POLICIES.includes(dnsPolicy)) problems.push(notSupported(`${path}.dnsPolicy`, dnsPolicy, DNS_POLICIES));
  if (dnsPolicy === 'None' && (spec.dnsConfig?.nameservers ?? []).length === 0) {
    const why = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    problems.push(required(`${path}.dnsConfig.nameservers`, why));
  }
  if (grace !== undefined && grace < 0) {
    problems.push(invalidValue(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'));
  }
  if (activeDeadlineSeconds !== undefined && (activeDeadlineSeconds < 1 || activeDeadlineSeconds > 2 ** 31 - 1)) {
    const why = 'must be between 1 and 2147483647, inclusive';
    problems.push(invalidValue(`${path}.activeDeadlineSeconds`, activeDeadlineSeconds, why));
  }
  problems.push(...labelProblems(spec.nodeSelector, `${path}.nodeSelector`));
  for (const [field, check] of [
    ['serviceAccountName', dnsSubdomain],
    ['nodeName', dnsSubdomain],
    ['priorityClassName', dnsSubdomain],
    ['schedulerName', qualifiedName],
    ['hostname', dnsLabel],
    ['subdomain', dnsLabel],
  ] as const) {
    const text = spec[field] ?? '';
    const complaint = text === '' ? undefined : check(text);
    if (complaint !== undefined) problems.push(invalidValue(`${path}.${field}`, text, complaint));
  }
  problems.push(...tolerationProblems(spec.tolerations ?? [], `${path}.tolerations`));
  problems.push(...topologyProblems(spec.topologySpreadConstraints ?? [], `${path}.topologySpreadConstraints`));
  for (const [i, gate] of (spec.readinessGates ?? []).entries()) {
    const complaint = qualifiedName(gate.conditionType);
    if (complaint !== undefined) {
      problems.push(invalidValue(`${path}.readinessGates[${i}].conditionType`, gate.conditionType, complaint));
    }
  }
  return problems;
}

function containerProblems(
  container: Container,
  path: string,
  volumes: ReadonlySet<string>,
  init: boolean,
): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { name, image = '', imagePullPolicy, terminationMessagePolicy, restartPolicy } = container;
  if (name === '') problems.push(required(`${path}.name`));
  else {
    const complaint = dnsLabel(name);
    if (complaint !== undefined) problems.push(invalidValue(`${path}.name`, name, complaint));
  }
  if (image === '') problems.push(required(`${path}.image`));
  else if (image !== image.trim()) {
    problems.push(invalidValue(`${path}.image`, image, 'must not have leading or trailing whitespace'));
  }
  if (!PULL_POLICIES.includes(imagePullPolicy ?? '')) {
    problems.push(notSupported(`${path}.imagePullPolicy`, imagePullPolicy, PULL_POLICIES));
  }
  if (!MESSAGE_POLICIES.includes(terminationMessagePolicy ?? '')) {
    problems.push(notSupported(`${path}.terminationMessagePolicy`, terminationMessagePolicy, MESSAGE_POLICIES));
  }
  const policies = ['Always', 'Never', 'OnFailure'];
  if (restartPolicy !== undefined && !policies.includes(restartPolicy)) {
    problems.push(notSupported(`${path}.restartPolicy`, restartPolicy, policies));
  }
  const ports = new Set<string>();
  for (const [i, port] of (container.ports ?? []).entries()) {
    const at = `${path}.ports[${i}]`;
    const { containerPort, hostPort, protocol = '' } = port;
    if (port.name !== undefined) {
      const complaint = portName(port.name);
      if (complaint !== undefined) problems.push(invalidValue(`${at}.name`, port.name, complaint));
      if (ports.has(port.name)) problems.push(duplicate(`${at}.name`, port.name));
      ports.add(port.name);
    }
    if (containerPort === 0) problems.push(required(`${at}.containerPort`));
    for (const [field, number] of [
      ['containerPort', containerPort],
      ['hostPort', hostPort],
    ] as const) {
      if (number !== undefined && number !== 0 && (number < 1 || number > 65535)) {
        problems.push(invalidValue(`${at}.${field}`, number, 'must be between 1 and 65535, inclusive'));
      }
    }
    if (!PROTOCOLS.includes(protocol)) problems.push(notSupported(`${at}.protocol`, protocol, PROTOCOLS));
  }
  problems.push(...environmentProblems(container, path));
  const mounts = new Set<string>();
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${i}]`;
    if (mount.name === '') problems.push(required(`${at}.name`));
    else if (!volumes.has(mount.name)) {
      problems.push({ reason: 'FieldValueNotFound', field: `${at}.name`, message: `Not found: "${mount.name}"` });
    }
    if (mount.mountPath === '') problems.push(required(`${at}.mountPath`));
    if (mounts.has(mount.mountPath)) {
      problems.push(invalidValue(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    }
    mounts.add(mount.mountPath);
  }
  problems.push(...resourceProblems(container, path));
  problems.push(...probeProblems(container, path, init));
  return problems;
}

function environmentProblems({ env = [], envFrom = [] }: Container, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [i, { name, value, valueFrom }] of env.entries()) {
    const at = `${path}.env[${i}]`;
    if (name === '') problems.push(required(`${at}.name`));
    else {
      const complaint = environmentName(name);
      if (complaint !== undefined) problems.push(invalidValue(`${at}.name`, name, complaint));
    }
    if (valueFrom === undefined) continue;
    const sources = Object.keys(valueFrom).length;
    if (sources === 0) {
      const why = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
      problems.push(invalidValue(`${at}.valueFrom`, '', why));
    } else if (value !== undefined && value !== '') {
      problems.push(invalidValue(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    } else if (sources > 1) {
      problems.push(invalidValue(`${at}.valueFrom`, '', 'may not have more than one field specified at a time'));
    }
    for (const source of ['configMapKeyRef', 'secretKeyRef'] as const) {
      const reference = valueFrom[source];
      if (reference === undefined) continue;
      if ((reference.key ?? '') === '') problems.push(required(`${at}.valueFrom.${source}.key`));
      else {
        const complaint = configKey(reference.key);
        if (complaint !== undefined)
          problems.push(invalidValue(`${at}.valueFrom.${source}.key`, reference.key, complaint));
      }
    }
  }
  for (const [i, source] of envFrom.entries()) {
    const given = [source.configMapRef, source.secretRef].filter((one) => one !== undefined).length;
    if (given !== 1) {
      const why =
        given === 0
          ? 'must specify one of: `configMapRef` or `secretRef`'
          : 'may not have more than one field specified at a time';
      problems.push(invalidValue(`${path}.envFrom[${i}]`, '', why));
    }
  }
  return problems;
}

function resourceProblems({ resources }: Container, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const list of ['limits', 'requests'] as const) {
    for (const [name, amount] of Object.entries(resources?.[list] ?? {})) {
      const at = `${path}.resources.${list}`;
      const standard = ['cpu', 'memory', 'ephemeral-storage'].includes(name) || name.startsWith('hugepages-');
      if (!standard && !name.includes('/')) {
        problems.push(invalidValue(`${at}[${name}]`, name, 'must be a standard resource type or fully qualified'));
        problems.push(invalidValue(`${at}[${name}]`, name, 'must be a standard resource for containers'));
      }
      if (amount.startsWith('-')) {
        problems.push(invalidValue(`${at}[${name}]`, amount, 'must be greater than or equal to 0'));
      }
    }
  }
  for (const [name, request] of Object.entries(resources?.requests ?? {})) {
    const limit = resources?.limits?.[name];
    if (limit !== undefined && compareQuantities(request, limit) > 0) {
      const why = `must be less than or equal to ${name} limit of ${limit}`;
      problems.push(invalidValue(`${path}.resources.requests`, request, why));
    }
  }
  return problems;
}

function volumeProblems(volumes: readonly Volume[], path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const seen = new Set<string>();
  for (const [i, volume] of volumes.entries()) {
    const { name, ...sources } = volume;
    const at = `${path}[${i}]`;
    if (name === '') problems.push(required(`${at}.name`));
    else {
      const complaint = dnsLabel(name);
      if (complaint !== undefined) problems.push(invalidValue(`${at}.name`, name, complaint));
    }
    if (seen.has(name)) problems.push(duplicate(`${at}.name`, name));
    seen.add(name);
    const [, ...more] = Object.keys(sources);
    for (const source of more) {
      problems.push(forbiddenField(`${at}.${source}`, 'may not specify more than 1 volume type'));
    }
    if (volume.secret !== undefined && (volume.secret.secretName ?? '') === '') {
      problems.push(required(`${at}.secret.secretName`));
    }
    if (volume.configMap !== undefined && (volume.configMap.name ?? '') === '') {
      problems.push(required(`${at}.configMap.name`));
    }
  }
  return problems;
}
