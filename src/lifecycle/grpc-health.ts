/**
 * The Check call of the gRPC health protocol (grpc.health.v1.Health) through a connection of the pod's, for probes; as the
 * kubelet makes it (pkg/probe/grpc). The two messages are a few bytes: a request with a string in field 1, an answer with
 * a number in field 1.
 */
import { connect } from 'node:http2';
import { messageOf } from '../errors.ts';
import { dialError } from './dial-error.ts';
import type { Reach } from './reach.ts';

export interface GrpcTarget {
  readonly host: string;
  readonly port: number;
  readonly service: string;
}

const SERVING = 1;
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const UNIMPLEMENTED = 12;

/** Undefined when it serves, else why not. Never throws. `timeout`: as people are told it. */
export async function grpcHealth(
  reach: Reach,
  { host, port, service }: GrpcTarget,
  timeout: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let socket: Awaited<ReturnType<Reach['dial']>>;
  try {
    socket = await reach.dial(port, signal);
  } catch (error) {
    if (signal.aborted)
      return `timeout: failed to connect service "${host}:${port}" within ${timeout}: context deadline exceeded`;
    return `error: failed to connect service at "${host}:${port}": ${dialError(error, host, port)}`;
  }
  socket.on('error', () => {});
  try {
    return await check(socket, host, port, service, signal);
  } catch (error) {
    if (signal.aborted) return `timeout: health rpc did not complete within ${timeout}`;
    return `error: health rpc probe failed: ${messageOf(error)}`;
  } finally {
    socket.destroy();
  }
}

async function check(
  socket: Awaited<ReturnType<Reach['dial']>>,
  host: string,
  port: number,
  service: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const session = connect(`http://${host.includes(':') ? `[${host}]` : host}:${port}`, {
    createConnection: () => socket,
  });
  const abort = (): void => session.destroy(new Error('aborted'));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await new Promise((resolve, reject) => {
      session.on('error', reject);
      session.on('close', () => reject(new Error('the connection was closed')));
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        'user-agent': 'kube-probe/1.34',
        te: 'trailers',
      });
      const chunks: Buffer[] = [];
      let fields: Readonly<Record<string, unknown>> = {};
      stream.on('response', (headers) => {
        fields = { ...fields, ...headers };
      });
      stream.on('trailers', (trailers) => {
        fields = { ...fields, ...trailers };
      });
      stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => resolve(verdict(fields, Buffer.concat(chunks))));
      stream.end(requestOf(service));
    });
  } finally {
    signal.removeEventListener('abort', abort);
    session.on('error', () => {});
    session.destroy();
  }
}

function requestOf(service: string): Buffer {
  const name = Buffer.from(service);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a]), varint(name.length), name]);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

function verdict(fields: Readonly<Record<string, unknown>>, body: Buffer): string | undefined {
  const status = Number(fields['grpc-status'] ?? (fields[':status'] === 200 ? 0 : 2));
  const given = fields['grpc-message'];
  const text = typeof given === 'string' ? given : '';
  if (status === UNIMPLEMENTED) {
    return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${text}`;
  }
  if (status !== 0) return `error: health rpc probe failed: code = ${status} desc = ${text}`;
  // An empty message means the default of its one field.
  const state = body[5] === 0x08 ? (body[6] ?? 0) : 0;
  return state === SERVING ? undefined : `service unhealthy (responded with "${STATUSES[state] ?? state}")`;
}
