/** The queries of `/exec`, `/attach` and `/portForward`, with the names that the API server gives their options there. */

import type { WantedStreams } from './command-client.ts';
import { portOf } from './port-forward-session.ts';

export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

export function parseWantedStreams(query: URLSearchParams): Parsed<WantedStreams> {
  const flags: Record<string, boolean> = {};
  for (const name of ['input', 'output', 'error', 'tty']) {
    const value = query.get(name) ?? '';
    if (!['', '0', '1', 'true', 'false'].includes(value)) {
      return { ok: false, message: `${name} must be 1 or 0, not ${JSON.stringify(value)}` };
    }
    flags[name] = value === '1' || value === 'true';
  }
  const { input = false, output = false, error = false, tty = false } = flags;
  if (!input && !output && !error) {
    return { ok: false, message: 'you must specify at least 1 of stdin, stdout, stderr' };
  }
  // A terminal has one output; asked for both, the kubelet gives that one.
  return { ok: true, value: { stdin: input, stdout: output, stderr: error && !tty, tty } };
}

export function parseCommand(query: URLSearchParams): Parsed<readonly string[]> {
  const command = query.getAll('command');
  if (command.length === 0 || command[0] === '') return { ok: false, message: 'you must specify a command' };
  if (command.some((argument) => argument.includes('\0'))) {
    return { ok: false, message: 'a command cannot contain NUL' };
  }
  return { ok: true, value: command };
}

/** What a client of the WebSocket channels asks for at once. */
const MAX_PORTS = 64;

export function parsePorts(query: URLSearchParams): Parsed<readonly number[]> {
  const ports: number[] = [];
  for (const text of query.getAll('port').flatMap((one) => one.split(','))) {
    const port = portOf(text);
    if (port === undefined) return { ok: false, message: `${JSON.stringify(text)} is no port` };
    ports.push(port);
  }
  if (ports.length === 0) return { ok: false, message: 'query parameter "port" is required' };
  if (ports.length > MAX_PORTS) return { ok: false, message: `more than ${MAX_PORTS} ports` };
  return { ok: true, value: ports };
}
