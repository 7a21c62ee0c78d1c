/** Whose a request is, as far as it says itself: a verified client certificate, a bearer token. */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Credentials, User } from './auth.ts';

export function credentialsOf(request: IncomingMessage, nowMs: number): Credentials {
  const certified = request.socket instanceof TLSSocket ? certifiedUser(request.socket, nowMs) : undefined;
  const bearer = /^Bearer +([^\s]+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  return { ...(certified === undefined ? {} : { certified }), ...(bearer === undefined ? {} : { bearer }) };
}

/** Common name and organisations as Kubernetes reads them; undefined when the certificate does not verify. */
function certifiedUser(socket: TLSSocket, nowMs: number): User | undefined {
  if (!socket.authorized) return undefined;
  const { subject, valid_from, valid_to } = socket.getPeerCertificate();
  // The connection may outlive the certificate.
  if (!(Date.parse(valid_from) <= nowMs && nowMs <= Date.parse(valid_to))) return undefined;
  const name: unknown = subject?.CN;
  if (typeof name !== 'string' || name === '') return undefined;
  const organisations: unknown = subject.O;
  const groups = Array.isArray(organisations)
    ? organisations.map(String)
    : typeof organisations === 'string'
      ? [organisations]
      : [];
  return { name, groups: [...groups, 'system:authenticated'] };
}
