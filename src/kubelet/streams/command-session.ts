/**
 * One exec or attach, from the moment that the client's streams are there until it has been told how it ended. Nothing that
 * the client does reaches the provider as an error of a stream: what cannot be sent is thrown away, and the signal says
 * that the client is gone.
 */
import { Writable } from 'node:stream';
import type { ExecResult, StandardStreams } from '../../provider/streams.ts';
import { type ChannelStream, written } from './channel-stream.ts';
import type { CommandClient } from './command-client.ts';
import { type CommandStatus, exited, failed, statusText } from './command-status.ts';
import { resizesOf } from './resizes.ts';

/** Runs it; what attach has no exit code for is `undefined`. */
export type RunCommand = (streams: StandardStreams, signal: AbortSignal) => Promise<ExecResult | undefined>;

/** `stop` ends it early; its reason is the error that the client is told. Never throws. */
export async function runCommandSession(client: CommandClient, run: RunCommand, stop: AbortSignal): Promise<void> {
  const { connection, streams } = client;
  const over = new AbortController();
  const abort = (): void => over.abort();
  connection.gone.addEventListener('abort', abort, { once: true });
  stop.addEventListener('abort', abort, { once: true });
  if (connection.gone.aborted || stop.aborted) abort();
  const stdout = outputTo(streams.stdout);
  const stderr = outputTo(streams.stderr);
  let status: CommandStatus;
  try {
    const result = await run(
      {
        ...(streams.stdin === undefined ? {} : { stdin: streams.stdin }),
        ...(stdout === undefined ? {} : { stdout }),
        ...(stderr === undefined ? {} : { stderr }),
        ...(streams.resize === undefined ? {} : { resizes: resizesOf(streams.resize) }),
      },
      over.signal,
    );
    status = exited(result?.exitCode ?? 0);
  } catch (error) {
    status = failed(stop.aborted ? stop.reason : error);
  } finally {
    stop.removeEventListener('abort', abort);
  }
  // Nobody takes input any more. What is on its way is thrown away, so that the connection can be ended in good order.
  streams.stdin?.unpipe().resume();
  streams.resize?.resume();
  // First all of the output: the status is the end.
  await Promise.all([ended(stdout), ended(stderr)]);
  streams.error.end(statusText(status, client.status));
  await written(streams.error);
  connection.close();
}

function outputTo(stream: ChannelStream | undefined): Writable | undefined {
  if (stream === undefined) return undefined;
  /** Calls back when the stream is done with it, also when it is destroyed meanwhile. */
  const orClosed = (act: (done: () => void) => void, done: () => void): void => {
    if (stream.destroyed || stream.writableEnded) {
      done();
      return;
    }
    const settle = (): void => {
      stream.off('close', settle);
      stream.off('finish', settle);
      done();
    };
    stream.once('close', settle);
    act(settle);
  };
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => orClosed((settle) => stream.write(chunk, settle), done),
    final: (done) =>
      orClosed((settle) => {
        stream.once('finish', settle);
        stream.end();
      }, done),
  });
}

function ended(output: Writable | undefined): Promise<void> {
  output?.end();
  return written(output);
}
