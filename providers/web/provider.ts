/** The provider of kind `web`: the contract on any HTTP service that speaks the protocol of README.md. */
import type { Clock, Random } from '../../src/clock.ts';
import { hasCode, ZoneletError } from '../../src/errors.ts';
import type { Logger } from '../../src/log.ts';
import type {
  BackendPod,
  LogOptions,
  Operation,
  PodRef,
  Provider,
  ProviderModule,
  ReadOptions,
  StandardStreams,
  WatchEvent,
  ZoneReport,
} from '../../src/provider/contract.ts';
import { type Client, createClient, readHeaders, writeHeaders } from './client.ts';
import { createConnection } from './connection.ts';
import { endlessLines } from './endless.ts';
import { createLearned } from './learned.ts';
import { parseOptions, type WebOptions } from './options.ts';
import { bodyOf, sentVolumes } from './pod-body.ts';
import type {
  CreateAnswer,
  DeleteAnswer,
  ListAnswer,
  PodAnswer,
  StatsAnswer,
  WatchLine,
  ZoneLine,
} from './protocol.ts';
import { carryStreams, portStream } from './streams.ts';
import { unsupportedFields } from './support.ts';

/** To open a stream, in milliseconds: its beginning needs no work. */
const OPEN_TIMEOUT_MS = 10_000;

export const provider: ProviderModule<WebOptions> = {
  kind: 'web',
  parseOptions,
  create: (options, context) => createWebProvider(options, context),
};

export interface WebContext {
  readonly zone: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export function createWebProvider(options: WebOptions, { zone, clock, random, log }: WebContext): Provider {
  const connection = createConnection(options, clock);
  const client = createClient(options.url, connection, clock);
  const learned = createLearned(client);
  /** Ends with the provider. */
  const life = new AbortController();

  const read = (owner: string, { signal, timeoutMs }: ReadOptions) =>
    ({ method: 'GET', headers: readHeaders(owner, zone), signal, timeoutMs, effect: 'read' }) as const;
  const write = async (operation: Operation) => {
    const { signal } = operation;
    let { timeoutMs } = operation;
    if (!learned.known) {
      const askedAt = clock.monotonic();
      await learned.learn(operation);
      timeoutMs = Math.max(1, timeoutMs - (clock.monotonic() - askedAt));
    }
    return { headers: writeHeaders(operation), signal, timeoutMs, effect: 'write' } as const;
  };

  return {
    kind: 'web',
    zone,
    get capabilities() {
      return learned.capabilities;
    },
    validate: (pod) => unsupportedFields(pod, learned.capabilities),

    async claim(operation) {
      await client.call({ ...(await write(operation)), method: 'PUT', path: '/v2/claim' });
    },

    async create(pod, operation) {
      const call = {
        ...(await write(operation)),
        method: 'PUT',
        path: podPath(pod.ref.uid),
        body: bodyOf(pod),
      } as const;
      const { outcome, pod: made } = await client.call<CreateAnswer>(call);
      return { outcome: outcome === 'created' ? 'created' : 'adopted', pod: made };
    },

    async update(pod, operation) {
      const path = `${podPath(pod.ref.uid)}/spec`;
      const call = { ...(await write(operation)), method: 'PUT', path, body: bodyOf(pod) } as const;
      return (await client.call<PodAnswer>(call)).pod;
    },

    async refreshVolumes(ref, volumes, operation) {
      const path = `${podPath(ref.uid)}/volumes`;
      const body = { volumes: sentVolumes(volumes) };
      await client.call({ ...(await write(operation)), method: 'PUT', path, body });
    },

    async delete(ref, { gracePeriodSeconds }, operation) {
      const grace = Math.max(0, Math.ceil(gracePeriodSeconds));
      const path = `${podPath(ref.uid)}?gracePeriodSeconds=${grace}`;
      const result = await client.call<DeleteAnswer>({ ...(await write(operation)), method: 'DELETE', path });
      // Anything else is no answer to whether it is gone.
      if (result.state === 'gone' || result.state === 'stopping') return result;
      throw new ZoneletError('Ambiguous', 'the backend says neither that the pod stops nor that it is gone');
    },

    async get(owner, ref, reading) {
      try {
        return (await client.call<PodAnswer>({ ...read(owner, reading), path: podPath(ref.uid) })).pod;
      } catch (error) {
        if (hasCode(error, 'NotFound')) return undefined;
        throw error;
      }
    },

    async list(owner, reading) {
      const until = clock.monotonic() + reading.timeoutMs;
      const pods = new Map<string, BackendPod>();
      let complete = true;
      let from: string | undefined;
      do {
        const left = { signal: reading.signal, timeoutMs: Math.max(1, until - clock.monotonic()) };
        const path = from === undefined ? '/v2/pods' : `/v2/pods?continue=${encodeURIComponent(from)}`;
        const page = await client.call<ListAnswer>({ ...read(owner, left), path });
        if (!Array.isArray(page.pods)) throw new ZoneletError('Internal', 'the backend answered with no list of pods');
        for (const pod of page.pods) pods.set(pod.ref.uid, pod);
        complete &&= page.complete === true;
        from = page.continue;
      } while (from !== undefined);
      return { pods: [...pods.values()], complete };
    },

    watch: (owner, signal) => watch(owner, AbortSignal.any([signal, life.signal])),
    zoneReports: (signal) => zoneReports(AbortSignal.any([signal, life.signal])),

    async logs(owner, ref, container, logging, signal) {
      const path = `${containerPath(ref, container)}/log?${logQuery(logging)}`;
      const ending = AbortSignal.any([signal, life.signal]);
      return await client.stream({ ...read(owner, { signal: ending, timeoutMs: OPEN_TIMEOUT_MS }), path });
    },

    async exec(owner, ref, container, { command, tty }, streams, signal) {
      const query = streamQuery(streams);
      for (const word of command) query.append('command', word);
      query.set('tty', String(tty));
      const { exitCode } = await carry(
        owner,
        `${containerPath(ref, container)}/exec?${query.toString()}`,
        streams,
        signal,
      );
      if (exitCode === undefined) throw new ZoneletError('Unavailable', 'the backend told no exit code');
      return { exitCode };
    },

    async attach(owner, ref, container, streams, signal) {
      await carry(owner, `${containerPath(ref, container)}/attach?${streamQuery(streams).toString()}`, streams, signal);
    },

    async portForward(owner, ref, port, signal) {
      const ending = AbortSignal.any([signal, life.signal]);
      const path = `${podPath(ref.uid)}/portforward?port=${port}`;
      const socket = await client.upgrade({ ...read(owner, { signal: ending, timeoutMs: OPEN_TIMEOUT_MS }), path });
      return portStream(socket, clock, ending);
    },

    async stats(owner, reading) {
      const { pods } = await client.call<StatsAnswer>({ ...read(owner, reading), path: '/v2/stats' });
      if (!Array.isArray(pods)) throw new ZoneletError('Internal', 'the backend answered with no list of pods');
      return pods;
    },

    async [Symbol.asyncDispose]() {
      life.abort();
      await connection[Symbol.asyncDispose]();
    },
  };

  async function carry(owner: string, path: string, streams: StandardStreams, signal: AbortSignal) {
    const ending = AbortSignal.any([signal, life.signal]);
    const socket = await client.upgrade({ ...read(owner, { signal: ending, timeoutMs: OPEN_TIMEOUT_MS }), path });
    return await carryStreams(socket, streams, clock, ending);
  }

  async function* watch(owner: string, signal: AbortSignal): AsyncGenerator<WatchEvent, void, void> {
    const open = openAt(client, '/v2/watch', readHeaders(owner, zone));
    for await (const item of endlessLines({ open, signal, clock, random })) {
      if (item.type === 'broken') {
        log.debug({ reason: item.reason }, 'the watch of the backend broke off');
        continue;
      }
      const line = item.value as WatchLine;
      if (line.type !== 'heartbeat') yield line;
    }
  }

  async function* zoneReports(signal: AbortSignal): AsyncGenerator<ZoneReport, void, void> {
    const reports = openAt(client, '/v2/zone?watch=true', {});
    const open = async (attempt: AbortSignal) => {
      await learned.learn({ signal: attempt, timeoutMs: OPEN_TIMEOUT_MS });
      return await reports(attempt);
    };
    for await (const item of endlessLines({ open, signal, clock, random })) {
      yield item.type === 'line' ? (item.value as ZoneLine) : { state: 'Unknown', evidence: item.reason };
    }
  }
}

function openAt(client: Client, path: string, headers: Readonly<Record<string, string>>) {
  return (signal: AbortSignal) =>
    client.stream({ method: 'GET', path, headers, signal, timeoutMs: OPEN_TIMEOUT_MS, effect: 'read' });
}

function podPath(uid: string): string {
  return `/v2/pods/${encodeURIComponent(uid)}`;
}

function containerPath({ uid }: PodRef, container: string): string {
  return `${podPath(uid)}/containers/${encodeURIComponent(container)}`;
}

function streamQuery({ stdin, stdout, stderr }: StandardStreams): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, stream] of Object.entries({ stdin, stdout, stderr })) query.set(name, String(stream !== undefined));
  return query;
}

function logQuery(options: LogOptions): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) if (value !== undefined) query.set(name, String(value));
  return query.toString();
}
