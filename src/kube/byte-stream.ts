/** Bytes on their way from one that pushes to one that pulls, with back-pressure. */

export interface ByteStreamOptions {
  /** Called when more than `highWaterBytes` wait, and again once they were taken. */
  pause(): void;
  resume(): void;
  /** The reader went away before the end. */
  cancel(): void;
  /** @defaultValue 1 MiB */
  readonly highWaterBytes?: number;
}

export interface ByteStream {
  push(chunk: Uint8Array): void;
  end(): void;
  /** The reader gets what came before, then this. */
  fail(error: unknown): void;
  /** For one reader. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

export function createByteStream(options: ByteStreamOptions): ByteStream {
  const highWaterBytes = options.highWaterBytes ?? 1024 * 1024;
  const waiting: Uint8Array[] = [];
  let bytes = 0;
  let paused = false;
  let end: { readonly error?: unknown } | undefined;
  let wake: (() => void) | undefined;

  async function* read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const taken = waiting.splice(0);
        bytes = 0;
        if (paused) {
          paused = false;
          options.resume();
        }
        yield* taken;
        if (waiting.length > 0) continue;
        if (end !== undefined) {
          if ('error' in end) throw end.error;
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      if (end === undefined) options.cancel();
    }
  }

  function finish(how: { readonly error?: unknown }): void {
    end ??= how;
    wake?.();
  }

  return {
    push(chunk) {
      waiting.push(chunk);
      bytes += chunk.byteLength;
      if (bytes > highWaterBytes && !paused) {
        paused = true;
        options.pause();
      }
      wake?.();
    },
    end: () => finish({}),
    fail: (error) => finish({ error }),
    chunks: read(),
  };
}
