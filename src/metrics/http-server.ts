/** The replica's own port: `/metrics` for Prometheus, `/healthz`, `/livez` and `/readyz` for probes. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

/** A named condition of readiness; `ok` false makes `/readyz` answer 503 and show the detail. */
export interface ReadinessCheck {
  readonly name: string;
  check(): { readonly ok: boolean; readonly detail?: string };
}

export interface HttpServerOptions {
  /** @defaultValue all interfaces: probes and Prometheus come from elsewhere; nothing secret is served. */
  readonly host?: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly registry: Registry;
  /** What must hold before this replica counts as ready. Leading no zone is no reason: standbys are ready. */
  readonly readiness: readonly ReadinessCheck[];
}

export interface HttpServer extends AsyncDisposable {
  readonly port: number;
}

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    const reply = (status: number, type: string, body: string): void => {
      response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
      response.end(request.method === 'HEAD' ? undefined : body);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return reply(405, 'text/plain', 'method not allowed\n');
    switch (request.url?.split('?', 1)[0]) {
      case '/metrics':
        options.registry.metrics().then(
          (text) => reply(200, options.registry.contentType, text),
          (error: unknown) => reply(500, 'text/plain', `${String(error)}\n`),
        );
        return;
      case '/healthz':
      case '/livez':
        return reply(200, 'text/plain', 'ok\n');
      case '/readyz': {
        const results = options.readiness.map(({ name, check }) => ({ name, ...check() }));
        const lines = results.map(({ name, ok, detail }) => `[${ok ? '+' : '-'}]${name}${detail ? `: ${detail}` : ''}`);
        const ready = results.every(({ ok }) => ok);
        return reply(ready ? 200 : 503, 'text/plain', `${[...lines, ready ? 'ready' : 'not ready'].join('\n')}\n`);
      }
      default:
        return reply(404, 'text/plain', 'not found: /metrics, /healthz, /livez and /readyz are here\n');
    }
  });
  const port = await listen(server, options.port, options.host);
  return {
    port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number, host: string | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
