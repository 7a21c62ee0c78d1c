/** Probes and lifecycle handlers. Source: pkg/apis/core/validation (validateProbe, validateHandler). */
import type { Container } from '../../../kube/types.ts';
import { type FieldProblem, forbiddenField, invalidValue, required } from '../failure.ts';
import type { Probe } from '../kinds/pod-defaults.ts';

export function probeProblems(container: Container, path: string, init: boolean): FieldProblem[] {
  const problems: FieldProblem[] = [];
  // An init container that runs beside the others (`restartPolicy: Always`) may have probes.
  const mayProbe = !init || container.restartPolicy === 'Always';
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    const probe = container[name];
    if (probe === undefined) continue;
    const at = `${path}.${name}`;
    if (!mayProbe) {
      problems.push(forbiddenField(at, 'may not be set for init containers without restartPolicy=Always'));
      continue;
    }
    problems.push(...oneProbe(probe, at));
    if (name !== 'readinessProbe' && probe.successThreshold !== 1) {
      problems.push(invalidValue(`${at}.successThreshold`, probe.successThreshold, 'must be 1'));
    }
  }
  if (container.lifecycle !== undefined && !mayProbe) {
    problems.push(
      forbiddenField(`${path}.lifecycle`, 'may not be set for init containers without restartPolicy=Always'),
    );
  }
  return problems;
}

function oneProbe(probe: Probe, path: string): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const handlers = [probe.exec, probe.httpGet, probe.tcpSocket, probe.grpc].filter((one) => one !== undefined);
  if (handlers.length === 0) problems.push(required(path, 'must specify a handler type'));
  if (handlers.length > 1) problems.push(forbiddenField(path, 'may not specify more than 1 handler type'));
  if (probe.exec !== undefined && (probe.exec.command ?? []).length === 0) {
    problems.push(required(`${path}.exec.command`));
  }
  for (const action of ['httpGet', 'tcpSocket'] as const) {
    const port = probe[action]?.port;
    if (typeof port === 'number' && (port < 1 || port > 65535)) {
      problems.push(invalidValue(`${path}.${action}.port`, port, 'must be between 1 and 65535, inclusive'));
    }
  }
  const numbers = [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const;
  for (const field of numbers) {
    const value = probe[field];
    if (value !== undefined && value < 0) {
      problems.push(invalidValue(`${path}.${field}`, value, 'must be greater than or equal to 0'));
    }
  }
  return problems;
}
