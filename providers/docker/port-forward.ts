/**
 * A connection to a port as seen from inside a pod. An engine has no such request: `nc` in the pod's sandbox, which has
 * its network, carries the bytes.
 */
import { Duplex } from 'node:stream';
import { ZoneletError } from '../../src/errors.ts';
import type { Engine } from './engine.ts';
import { createFrames } from './frames.ts';

const CALL_MS = 10_000;
const CONNECTED = 'connected\n';

/** Looks whether anything listens (`0A`) at the port before it connects, so that a refusal is told from a silent server. */
const SCRIPT = `grep -qi ":$1 [0-9A-F]*:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null || exit 111
echo connected >&2
exec nc 127.0.0.1 "$2"`;

export async function portForward(engine: Engine, sandbox: string, port: number, signal: AbortSignal): Promise<Duplex> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const call = { signal, timeoutMs: CALL_MS } as const;
  const { Id } = await engine.json<{ Id: string }>({
    method: 'POST',
    path: `/containers/${sandbox}/exec`,
    body: {
      Cmd: ['/bin/sh', '-c', SCRIPT, 'sh', hex, String(port)],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
    },
    ...call,
  });
  const start = { method: 'POST', path: `/exec/${Id}/start`, body: { Detach: false, Tty: false }, ...call } as const;
  const socket = await engine.takeOver(start);
  const connected = Promise.withResolvers<void>();
  const frames = createFrames(false);
  let told = '';
  let resume = (): void => {};
  const connection = new Duplex({
    allowHalfOpen: true,
    read() {
      socket.resume();
    },
    write(chunk: Buffer, _encoding, done) {
      if (socket.write(chunk)) done();
      else resume = done;
    },
    final(done) {
      socket.end(done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  const released = (): void => {
    const done = resume;
    resume = () => {};
    done();
  };
  socket.on('drain', released);
  socket.on('data', (chunk: Buffer) => {
    for (const { stream, bytes } of frames.push(chunk)) {
      if (stream === 'stdout') {
        if (!connection.push(bytes)) socket.pause();
      } else if (told.length < 200) {
        told += bytes.toString();
        if (told.startsWith(CONNECTED)) connected.resolve();
      }
    }
  });
  const refused = (): void =>
    connected.reject(new ZoneletError('Unavailable', `nothing listens at port ${port} inside the pod`));
  socket.once('end', () => {
    refused();
    connection.push(null);
  });
  socket.once('error', (error) => connection.destroy(error));
  socket.once('close', () => {
    refused();
    released();
    if (!connection.readableEnded) connection.push(null);
  });
  try {
    await connected.promise;
  } catch (error) {
    connection.destroy();
    if (signal.aborted) throw new ZoneletError('Aborted', 'the client is gone', { cause: error });
    throw error;
  }
  return connection;
}
