/** What is used of redlock 5.0.0-beta.2, whose package does not export its own types. */
declare module 'redlock' {
  export interface ScriptClient {
    evalsha(hash: string, numberOfKeys: number, keysAndArgs: readonly (string | number)[]): Promise<unknown>;
    eval(script: string, numberOfKeys: number, keysAndArgs: readonly (string | number)[]): Promise<unknown>;
  }

  export interface ExecutionStats {
    readonly votesFor: ReadonlySet<ScriptClient>;
    readonly votesAgainst: ReadonlyMap<ScriptClient, Error>;
  }

  export class Lock {
    constructor(
      redlock: Redlock,
      resources: string[],
      value: string,
      attempts: readonly Promise<ExecutionStats>[],
      expiration: number,
    );
    /** Of the last operation; resolve once every server has answered. */
    readonly attempts: readonly Promise<ExecutionStats>[];
  }

  export default class Redlock {
    constructor(
      clients: Iterable<ScriptClient>,
      settings: { readonly retryCount: number },
      scripts: {
        readonly acquireScript: (shipped: string) => string;
        readonly extendScript: (shipped: string) => string;
        readonly releaseScript: (shipped: string) => string;
      },
    );
    /** What the lock's value is taken from. */
    protected _random(): string;
    acquire(resources: string[], duration: number): Promise<Lock>;
    extend(existing: Lock, duration: number): Promise<Lock>;
    release(lock: Lock): Promise<unknown>;
  }
}
