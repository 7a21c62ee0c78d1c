/** The answers to `/containerLogs`: so many at once, each ended with its client, its log or the server. */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { KubeletMetrics } from '../metrics/kubelet.ts';
import { answer } from './answer.ts';
import { type LogSource, openLogs, pour } from './container-logs.ts';
import type { Pods } from './pod-lookup.ts';
import type { RequestTarget } from './request-target.ts';

export interface LogStreamsOptions {
  readonly zone: string;
  readonly nodeName: string;
  readonly pods: Pods;
  readonly logs: LogSource;
  readonly metrics: KubeletMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** Open at once; more are answered 429. */
  readonly maxStreams: number;
  /** Ends them all. */
  readonly signal: AbortSignal;
}

export function createLogStreams(
  options: LogStreamsOptions,
): (response: ServerResponse, target: RequestTarget) => Promise<void> {
  const { zone, nodeName, pods, logs, metrics, clock, log, maxStreams, signal } = options;
  let open = 0;

  async function pourLogs(response: ServerResponse, { segments, query }: RequestTarget): Promise<void> {
    const [, namespace = '', podName = '', container = ''] = segments;
    const gone = new AbortController();
    const stop = (): void => gone.abort();
    response.once('close', stop);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const question = { namespace, podName, container, query };
      const opened = await openLogs(question, pods, logs, clock, gone.signal);
      if (!opened.ok) return answer(response, opened.status, opened.message);
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      // At once: a followed log may have nothing to say for hours.
      response.flushHeaders();
      await pour(opened.stream, opened.limitBytes, response, clock, gone.signal);
      if (gone.signal.aborted) response.destroy();
      else response.end();
    } catch (error) {
      // The status is out already: only a broken connection can still tell the client that this is not the end.
      if (!gone.signal.aborted) log.warn({ error: messageOf(error) }, 'a log stream broke off');
      response.destroy();
    } finally {
      response.off('close', stop);
      signal.removeEventListener('abort', stop);
      gone.abort();
    }
  }

  return async (response, target) => {
    if (open >= maxStreams) return answer(response, 429, `more than ${maxStreams} log streams of ${nodeName} are open`);
    open++;
    metrics.streams.inc({ zone });
    try {
      await pourLogs(response, target);
    } finally {
      open--;
      metrics.streams.dec({ zone });
    }
  };
}
