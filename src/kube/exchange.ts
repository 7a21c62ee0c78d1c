/** One request on an undici dispatcher, seen closely enough to tell whether it left this process. */
import type { Dispatcher } from 'undici';

export interface ExchangeHandler {
  head(status: number, headers: Readonly<Record<string, string>>): void;
  data(chunk: Buffer): void;
  end(): void;
  error(error: Error): void;
}

export interface Exchange {
  /** True once the request began to be written to a connection: from then on the server may have carried it out. */
  readonly sent: boolean;
  /** Ends it; the handler hears nothing more. */
  cancel(): void;
  pause(): void;
  resume(): void;
}

export function exchange(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  handler: ExchangeHandler,
  onSend?: () => void,
): Exchange {
  let control: Dispatcher.DispatchController | undefined;
  let over = false;
  dispatcher.dispatch(options, {
    onRequestStart(controller) {
      // Thrown, it takes the request off the connection and leaves the connection to others.
      if (over) throw new Error('cancelled before it was sent');
      onSend?.();
      control = controller;
    },
    onResponseStart(_, status, headers) {
      if (over || status < 200) return;
      const flat: Record<string, string> = {};
      for (const [name, value] of Object.entries(headers)) {
        if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
      }
      handler.head(status, flat);
    },
    onResponseData(_, chunk) {
      if (!over) handler.data(chunk);
    },
    onResponseEnd() {
      if (over) return;
      over = true;
      handler.end();
    },
    onResponseError(_, error) {
      if (over) return;
      over = true;
      handler.error(error);
    },
  });
  return {
    get sent() {
      return control !== undefined;
    },
    cancel() {
      if (over) return;
      over = true;
      control?.abort(new Error('cancelled'));
    },
    pause: () => control?.pause(),
    resume: () => control?.resume(),
  };
}
