/**
 * How bytes reach an API server. There are two: HTTP on shared keep-alive connections (`http-transport.ts`), and the
 * embedded API server called in the same process without sockets, which tests and the simulation use.
 */

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path, percent-encoded, without the query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body, already serialised; its type is the header `content-type`. */
  readonly body?: string;
  /** The whole request must be over within this many milliseconds; for a stream: until the headers came. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /**
   * Called when the request is about to be written to its connection, after every wait for one. What it throws ends the
   * request unsent.
   */
  readonly onSend?: () => void;
  /** Lease traffic has connections of its own, so that no big list delays a renewal. @defaultValue 'work' */
  readonly lane?: 'work' | 'lease';
}

export interface ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ApiStream {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Chunks as they come; ends with the connection; throws `Unavailable` when it breaks, `Aborted` on the own signal. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Rules for every implementation: an HTTP status, whatever it is, is a result and no error; what could not be sent at
 * all throws `Unavailable`; a mutating request that was sent and got no answer throws `Ambiguous`; the own signal
 * throws `Aborted`. It retries nothing.
 */
export interface Transport extends AsyncDisposable {
  request(request: ApiRequest): Promise<ApiResponse>;
  stream(request: ApiRequest): Promise<ApiStream>;
}
