/** Who this process is to the API server, and by what it knows the server. */

/** PEM texts and header values; secrets, which are never logged. */
export interface Identity {
  /** Value of the header `authorization`: `Bearer ...` or `Basic ...`. */
  readonly authorization?: string;
  /** Certificates of those who may vouch for the server. @defaultValue those that Node trusts */
  readonly ca?: string;
  /** Client certificate and its key. */
  readonly cert?: string;
  readonly key?: string;
  /** The server's certificate is not checked. @defaultValue false */
  readonly insecureSkipTlsVerify?: boolean;
  /** Name in the server's certificate, where it is not the host name of the URL. */
  readonly tlsServerName?: string;
}

/** An identity that changes with time: tokens run out, certificates are replaced. */
export interface IdentitySource {
  /** The one to use now; throws a `ZoneletError` when there is none, for instance because a plugin fails. */
  get(): Promise<Identity>;
  /** The server answered 401 to this one: the next `get` asks anew. */
  refused(identity: Identity): void;
}

/** One that never changes. */
export function fixedIdentity(identity: Identity): IdentitySource {
  return { get: () => Promise.resolve(identity), refused() {} };
}
