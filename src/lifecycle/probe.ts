/** One look at a container, as the kubelet takes it (pkg/kubelet/prober/prober.go and pkg/probe). */
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { Container } from '../kube/types.ts';
import { durationText } from './back-off.ts';
import { dialError } from './dial-error.ts';
import { grpcHealth } from './grpc-health.ts';
import { httpGet, httpTarget, portNumber } from './http-get.ts';
import type { Reach } from './reach.ts';

export type Probe = NonNullable<Container['livenessProbe']>;

export interface ProbeOutcome {
  /** `warning`: good, and people should know; `unknown`: it could not be found out, which counts for nothing. */
  readonly result: 'success' | 'warning' | 'failure' | 'unknown';
  readonly output: string;
}

export interface ProbeTarget {
  readonly container: Container;
  readonly address: string;
  readonly reach: Reach;
  /** Aborts when its time is up. */
  readonly signal: AbortSignal;
}

/** A command that cannot be run at all is tried so often before that counts as not knowing. */
const TRIES = 3;
const SUCCESS: ProbeOutcome = { result: 'success', output: '' };

/** In milliseconds. */
export function timeoutOf({ timeoutSeconds = 1 }: Probe): number {
  return timeoutSeconds * 1000;
}

/** Never throws. */
export async function probeOnce(probe: Probe, target: ProbeTarget): Promise<ProbeOutcome> {
  let failure: unknown;
  for (let i = 0; i < TRIES && !target.signal.aborted; i++) {
    try {
      return await look(probe, target);
    } catch (error) {
      failure = error;
      // It says the same every time.
      if (hasCode(error, 'InvalidInput')) break;
    }
  }
  return { result: 'unknown', output: messageOf(failure) };
}

async function look(probe: Probe, target: ProbeTarget): Promise<ProbeOutcome> {
  const { container, address, reach, signal } = target;
  const timeout = durationText(timeoutOf(probe));
  if (probe.exec !== undefined) return await lookByExec(probe.exec.command ?? [], target, timeout);
  if (probe.httpGet !== undefined) {
    const to = httpTarget(probe.httpGet, container, address);
    try {
      const { status, body } = await httpGet(reach, to, signal);
      if (status >= 200 && status < 300) return SUCCESS;
      if (status >= 300 && status < 400) {
        return { result: 'warning', output: `Probe terminated redirects, Response body: ${body}` };
      }
      return { result: 'failure', output: `HTTP probe failed with statuscode: ${status}` };
    } catch (error) {
      return { result: 'failure', output: messageOf(error) };
    }
  }
  if (probe.tcpSocket !== undefined) {
    const port = portNumber(probe.tcpSocket.port, container);
    try {
      const socket = await reach.dial(port, signal);
      socket.on('error', () => {});
      socket.destroy();
      return SUCCESS;
    } catch (error) {
      const output = signal.aborted ? `dial tcp ${address}:${port}: i/o timeout` : dialError(error, address, port);
      return { result: 'failure', output };
    }
  }
  if (probe.grpc !== undefined) {
    const { port, service = '' } = probe.grpc;
    const problem = await grpcHealth(reach, { host: address, port, service }, timeout, signal);
    return problem === undefined ? SUCCESS : { result: 'failure', output: problem };
  }
  throw new ZoneletError('InvalidInput', 'missing probe handler');
}

async function lookByExec(
  command: readonly string[],
  { container, reach, signal }: ProbeTarget,
  timeout: string,
): Promise<ProbeOutcome> {
  try {
    const { exitCode, output } = await reach.exec(container.name, command, signal);
    // What was killed for its time has an exit code as well.
    if (!signal.aborted) return exitCode === 0 ? SUCCESS : { result: 'failure', output };
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return {
    result: 'failure',
    output: `command timed out: ${JSON.stringify(command.join(' '))} timed out after ${timeout}`,
  };
}
