/**
 * A record as text: compact JSON, because there are thousands. `h` handle, `a` applied, `e` epoch, `i` intended,
 * `f` failures, `t` time of the last failure, `p` published. People can edit what is stored: what cannot be read is as
 * good as not there.
 */
import type { EndedContainer, PodRecord, PublishedFacts } from './contract.ts';

/** Longer words of a backend are cut: they are for people, and stay in its own logs. */
const TEXT_MAX = 256;
/** Handles beyond this are no names. */
const NAME_MAX = 2048;

export function encodeRecord(record: PodRecord): string {
  const { handle, applied, epoch, intended, failures, failedAtMs, published } = record;
  return JSON.stringify({
    h: handle,
    a: applied,
    e: epoch,
    i: intended === true ? 1 : undefined,
    f: failures === 0 ? undefined : failures,
    t: failures === undefined || failures === 0 ? undefined : failedAtMs,
    p: published === undefined ? undefined : shortened(published),
  });
}

export function decodeRecord(text: string): PodRecord | undefined {
  const raw = object(parse(text));
  const epoch = count(raw?.e);
  if (raw === undefined || epoch === undefined) return undefined;
  const failures = count(raw.f);
  return {
    epoch,
    ...defined('handle', name(raw.h)),
    ...defined('applied', name(raw.a)),
    ...(raw.i === 1 ? { intended: true } : {}),
    ...defined('failures', failures === 0 ? undefined : failures),
    ...defined('failedAtMs', failures === undefined ? undefined : count(raw.t)),
    ...defined('published', published(raw.p)),
  };
}

/** Another epoch alone is no news: after a change of leader nothing has to be written again. */
export function sameRecord(a: PodRecord, b: PodRecord): boolean {
  return encodeRecord({ ...a, epoch: 0 }) === encodeRecord({ ...b, epoch: 0 });
}

function shortened(facts: PublishedFacts): PublishedFacts {
  const { ended } = facts;
  if (ended === undefined) return facts;
  const containers = Object.fromEntries(
    Object.entries(ended.containers).map(([name, end]) => [name, { ...end, ...defined('reason', cut(end.reason)) }]),
  );
  return {
    ...facts,
    ended: {
      phase: ended.phase,
      ...defined('reason', cut(ended.reason)),
      ...defined('message', cut(ended.message)),
      containers,
    },
  };
}

function cut(text: string | undefined): string | undefined {
  return text === undefined || text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 3)}...`;
}

function published(value: unknown): PublishedFacts | undefined {
  const raw = object(value);
  if (raw === undefined) return undefined;
  const restarts = Object.entries(object(raw.restarts) ?? {}).flatMap(([name, value]): [string, number][] => {
    const restarts = count(value);
    return restarts === undefined || restarts === 0 ? [] : [[name, restarts]];
  });
  const end = object(raw.ended);
  const phase = end?.phase;
  return {
    ...(restarts.length === 0 ? {} : { restarts: Object.fromEntries(restarts) }),
    ...(end === undefined || (phase !== 'Succeeded' && phase !== 'Failed')
      ? {}
      : {
          ended: {
            phase,
            ...defined('reason', text(end.reason)),
            ...defined('message', text(end.message)),
            containers: endedContainers(end.containers),
          },
        }),
  };
}

function endedContainers(value: unknown): Readonly<Record<string, EndedContainer>> {
  return Object.fromEntries(
    Object.entries(object(value) ?? {}).flatMap(([name, value]): [string, EndedContainer][] => {
      const raw = object(value);
      if (raw === undefined || !Number.isSafeInteger(raw.exitCode)) return [];
      const end: EndedContainer = {
        exitCode: Number(raw.exitCode),
        ...defined('reason', text(raw.reason)),
        ...defined('startedAt', text(raw.startedAt)),
        ...defined('finishedAt', text(raw.finishedAt)),
      };
      return [[name, end]];
    }),
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function object(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, TEXT_MAX) : undefined;
}

function name(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= NAME_MAX ? value : undefined;
}

function count(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined;
}

function defined<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}
