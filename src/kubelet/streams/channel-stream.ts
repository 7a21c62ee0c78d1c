/**
 * One of the streams that share a connection to a client, of SPDY or WebSocket. What came and was not read yet waits in the
 * stream and is counted in the connection's backlog: beyond its limit the connection is not read any more.
 */
import { Duplex, type Writable } from 'node:stream';
import type { Backlog } from './backlog.ts';

/** How a stream reaches the client. */
export interface ChannelLink {
  /** Sends, and calls back when more may come. */
  send(chunk: Buffer, done: () => void): void;
  /** Nothing more will be sent. */
  end(done: () => void): void;
  /** The stream is over; `complete` when both sides had ended it. */
  closed(complete: boolean): void;
  /** So much of what came was handed on. */
  consumed?(bytes: number): void;
}

const HIGH_WATER_BYTES = 64 * 1024;

/** Never emits an error that nobody listens to: a client that resets a stream must not end the process. */
export class ChannelStream extends Duplex {
  readonly #link: ChannelLink;
  readonly #backlog: Backlog;
  readonly #waiting: Buffer[] = [];
  #wanted = false;
  #remoteEnded = false;
  #localEnded = false;

  constructor(link: ChannelLink, backlog: Backlog) {
    super({ readableHighWaterMark: HIGH_WATER_BYTES, writableHighWaterMark: HIGH_WATER_BYTES });
    this.#link = link;
    this.#backlog = backlog;
    this.on('error', () => {});
  }

  /** Whether the client has said that nothing more comes. */
  get remoteEnded(): boolean {
    return this.#remoteEnded;
  }

  receive(chunk: Buffer): void {
    if (this.destroyed || chunk.length === 0) return;
    this.#waiting.push(chunk);
    this.#backlog.add(chunk.length);
    if (this.#wanted) this._read();
  }

  receiveEnd(): void {
    if (this.#remoteEnded) return;
    this.#remoteEnded = true;
    if (this.#wanted) this._read();
  }

  override _read(): void {
    this.#wanted = true;
    while (this.#wanted) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) {
        if (this.#remoteEnded && !this.destroyed) {
          this.#wanted = false;
          this.push(null);
        }
        return;
      }
      this.#backlog.remove(chunk.length);
      this.#link.consumed?.(chunk.length);
      this.#wanted = this.push(chunk);
    }
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#link.send(chunk, done);
  }

  override _final(done: () => void): void {
    this.#localEnded = true;
    this.#link.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    for (const chunk of this.#waiting.splice(0)) this.#backlog.remove(chunk.length);
    this.#link.closed(this.#remoteEnded && this.#localEnded);
    done(error);
  }
}

/** Resolves once all that was written has been sent, or can never be. */
export function written(stream: Writable | undefined): Promise<void> {
  if (stream === undefined || stream.destroyed || stream.writableFinished) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once('finish', resolve).once('close', resolve);
  });
}
