/** What a Redis server or the way to it says when something fails, by the first word of its answer, and what that means. */
import { type ErrorCode, ZoneletError } from '../errors.ts';

export class RedisError extends ZoneletError {
  /** The first word of the server's answer (`LOADING`, `READONLY`, ...), or one of `REASONS`. */
  readonly reason: string;
  /** The server's name. */
  readonly server: string;

  constructor(code: ErrorCode, server: string, reason: string, message: string) {
    super(code, `${server} ${message}`);
    this.reason = reason;
    this.server = server;
  }
}

/** Reasons that no server says itself. */
export const REASONS = {
  /** No connection. Nothing was sent. */
  unreachable: 'UNREACHABLE',
  /** Sent, and the connection ended before the answer. */
  closed: 'CLOSED',
  /** Sent, and no answer came in time: a frozen server, a cut network, a connection that is only open at this end. */
  timeout: 'TIMEOUT',
  aborted: 'ABORTED',
} as const;

interface Meaning {
  readonly code: ErrorCode;
  readonly message: string;
}

const CLUSTER_NODE = 'is a node of a Redis Cluster, which is not supported: name a server of its own';

/** What the server's words mean here. None of these answers is given after something was done. */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  LOADING: { code: 'Unavailable', message: 'is still loading its data' },
  READONLY: { code: 'Unavailable', message: 'is a replica, which takes no writes; name the primary' },
  MASTERDOWN: { code: 'Unavailable', message: 'is a replica that has lost its primary; name the primary' },
  OOM: {
    code: 'NoCapacity',
    message:
      'has no memory left: raise its maxmemory (an eviction policy other than noeviction would drop locks and state)',
  },
  MISCONF: { code: 'Unavailable', message: 'takes no writes because it cannot save its data to disk' },
  NOREPLICAS: {
    code: 'Unavailable',
    message: 'takes no writes because it has too few replicas (min-replicas-to-write)',
  },
  NOAUTH: { code: 'Unauthorized', message: 'wants a password: set redis.password or redis.passwordFile' },
  WRONGPASS: { code: 'Unauthorized', message: 'does not take this user and password' },
  NOPERM: { code: 'Forbidden', message: 'forbids this to the user' },
  DENIED: { code: 'Forbidden', message: 'is in protected mode and takes only local connections' },
  MOVED: { code: 'Unsupported', message: CLUSTER_NODE },
  ASK: { code: 'Unsupported', message: CLUSTER_NODE },
  CROSSSLOT: { code: 'Unsupported', message: CLUSTER_NODE },
  CLUSTERDOWN: { code: 'Unsupported', message: CLUSTER_NODE },
  TRYAGAIN: { code: 'Unsupported', message: CLUSTER_NODE },
  BUSY: { code: 'Unavailable', message: "is busy with somebody's long script (SCRIPT KILL ends it)" },
  UNKILLABLE: { code: 'Unavailable', message: "is busy with somebody's long script that has written already" },
  WRONGTYPE: { code: 'InvalidInput', message: "has somebody else's value under a key of ours" },
};

/** The first word of an error reply: `READONLY You can't write ...`. */
export function replyWord(text: string): string {
  return /^[A-Z]+/.exec(text)?.[0] ?? 'ERR';
}

/** An error that the server answered with. */
export function replyError(server: string, text: string): RedisError {
  const word = replyWord(text);
  const meaning = MEANINGS[word];
  if (meaning === undefined) return new RedisError('Unavailable', server, word, `answered: ${text}`);
  return new RedisError(meaning.code, server, word, `${meaning.message} (it answered: ${text})`);
}

/** Why no connection came about, in the words of an operator. */
const DIAL_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses connections: nothing listens there',
  ECONNRESET: 'ends connections at once',
  ENOTFOUND: 'has a name that is not known',
  EAI_AGAIN: 'has a name that could not be looked up just now',
  ETIMEDOUT: 'does not take a connection in time',
  EHOSTUNREACH: 'is on a host that cannot be reached',
  ENETUNREACH: 'is on a network that cannot be reached',
};

/** Connecting failed, or the connection broke while nothing was under way. */
export function dialError(server: string, error: Error & { readonly code?: string }): RedisError {
  if (error.name === 'ReplyError') return replyError(server, error.message);
  const known = DIAL_REASONS[error.code ?? ''];
  return new RedisError('Unavailable', server, REASONS.unreachable, known ?? `cannot be reached: ${error.message}`);
}

export function unreachable(server: string, why?: RedisError): RedisError {
  if (why !== undefined) return why;
  return new RedisError('Unavailable', server, REASONS.unreachable, 'has not answered yet');
}

export function timedOut(server: string, afterMs: number): RedisError {
  return new RedisError('Ambiguous', server, REASONS.timeout, `did not answer within ${Math.round(afterMs)} ms`);
}

/** While nothing was under way. */
export function connectionEnded(server: string): RedisError {
  return new RedisError('Unavailable', server, REASONS.unreachable, 'has ended the connection');
}

export function closedUnanswered(server: string): RedisError {
  return new RedisError('Ambiguous', server, REASONS.closed, 'ended the connection before it answered');
}

export function abortedCall(server: string): RedisError {
  return new RedisError('Aborted', server, REASONS.aborted, 'is not waited for any more');
}
