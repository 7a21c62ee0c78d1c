/** An HTTP proxy before a backend that tells the truth about everything but its lists. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** `empty`: complete, and nothing there. `incomplete`: not complete, and nothing there. `failing`: 500. */
export type Lie = 'none' | 'empty' | 'incomplete' | 'failing';

export interface LyingBackend extends AsyncDisposable {
  readonly port: number;
  lie: Lie;
  /** Lists that were answered with something else than the truth. */
  readonly lies: number;
}

const ANSWERS: Readonly<Record<Exclude<Lie, 'none'>, { readonly status: number; readonly body: object }>> = {
  empty: { status: 200, body: { pods: [], complete: true } },
  incomplete: { status: 200, body: { pods: [], complete: false } },
  failing: { status: 500, body: { error: { code: 'Internal', message: 'the store does not answer' } } },
};

/** Listens when this resolves. */
export async function startLyingBackend(truthPort: number): Promise<LyingBackend> {
  let lies = 0;
  const server = createServer((incoming, outgoing) => {
    const { method, url = '/', headers } = incoming;
    if (method === 'GET' && /^\/v2\/pods(\?|$)/.test(url) && backend.lie !== 'none') {
      const { status, body } = ANSWERS[backend.lie];
      lies++;
      incoming.resume();
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      return;
    }
    const onward = request({ host: '127.0.0.1', port: truthPort, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const backend: LyingBackend = {
    port: (server.address() as AddressInfo).port,
    lie: 'none',
    get lies() {
      return lies;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return backend;
}
