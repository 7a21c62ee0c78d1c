/** Which protocol a client and this server speak, from the headers of an upgrade request. */
import type { IncomingHttpHeaders } from 'node:http';
import { acceptKey } from './websocket.ts';

export type Carrier =
  | 'spdy'
  | 'websocket'
  /** SPDY inside of a WebSocket. */
  | 'tunnel';

export interface Agreement {
  readonly carrier: Carrier;
  /** The sub-protocol, such as `v4.channel.k8s.io`. */
  readonly protocol: string;
  /** What is answered, up to the empty line. */
  readonly head: string;
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** By carrier, what is offered. */
export type Offer = Readonly<Partial<Record<Carrier, readonly string[]>>>;

export const COMMAND_PROTOCOLS: Offer = {
  spdy: ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io'],
  websocket: [
    'v5.channel.k8s.io',
    'v4.channel.k8s.io',
    'channel.k8s.io',
    '',
    'v4.base64.channel.k8s.io',
    'base64.channel.k8s.io',
  ],
};

export const PORT_FORWARD_PROTOCOLS: Offer = {
  spdy: ['portforward.k8s.io'],
  tunnel: ['SPDY/3.1+portforward.k8s.io'],
  websocket: ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io'],
};

export function negotiate(method: string, headers: IncomingHttpHeaders, offer: Offer): Agreement | Refusal {
  const upgrade = (headers.upgrade ?? '').toLowerCase();
  const connection = (headers.connection ?? '').toLowerCase();
  if (!connection.split(/\s*,\s*/).includes('upgrade')) return { status: 400, message: 'Upgrade request required' };
  if (upgrade === 'spdy/3.1') return spdy(headers, offer.spdy ?? []);
  if (upgrade === 'websocket') return webSocket(method, headers, offer);
  return { status: 400, message: 'unable to upgrade: only SPDY/3.1 and websocket are understood' };
}

function spdy(headers: IncomingHttpHeaders, offered: readonly string[]): Agreement | Refusal {
  const wanted = listed(headers['x-stream-protocol-version']);
  if (wanted.length === 0) {
    return { status: 400, message: 'unable to upgrade: X-Stream-Protocol-Version is required' };
  }
  const protocol = wanted.find((one) => offered.includes(one));
  if (protocol === undefined) {
    return {
      status: 403,
      message: `unable to upgrade: unable to negotiate protocol: client supports [${wanted.join(' ')}], server accepts [${offered.join(' ')}]`,
      headers: { 'x-accepted-stream-protocol-versions': offered.join(', ') },
    };
  }
  return {
    carrier: 'spdy',
    protocol,
    head: switching('SPDY/3.1', [`X-Stream-Protocol-Version: ${protocol}`]),
  };
}

function webSocket(method: string, headers: IncomingHttpHeaders, offer: Offer): Agreement | Refusal {
  if (method !== 'GET') return { status: 405, message: 'a WebSocket begins with GET', headers: { allow: 'GET' } };
  const key = headers['sec-websocket-key'] ?? '';
  if (Buffer.from(key, 'base64').length !== 16) return { status: 400, message: 'bad Sec-WebSocket-Key' };
  if (headers['sec-websocket-version'] !== '13') {
    const message = 'only version 13 of WebSocket is understood';
    return { status: 426, message, headers: { 'sec-websocket-version': '13' } };
  }
  const wanted = listed(headers['sec-websocket-protocol']);
  for (const protocol of wanted.length === 0 ? [''] : wanted) {
    for (const carrier of ['websocket', 'tunnel'] as const) {
      if (!offer[carrier]?.includes(protocol)) continue;
      const named = protocol === '' ? [] : [`Sec-WebSocket-Protocol: ${protocol}`];
      return { carrier, protocol, head: switching('websocket', [`Sec-WebSocket-Accept: ${acceptKey(key)}`, ...named]) };
    }
  }
  return { status: 403, message: `unable to upgrade: none of the protocols [${wanted.join(' ')}] is offered` };
}

function switching(upgrade: string, more: readonly string[]): string {
  const lines = ['HTTP/1.1 101 Switching Protocols', `Upgrade: ${upgrade}`, 'Connection: Upgrade', ...more];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Of a header that may be repeated. */
function listed(value: string | string[] | undefined): readonly string[] {
  return [value ?? []]
    .flat()
    .flatMap((one) => one.split(','))
    .map((one) => one.trim())
    .filter((one) => one !== '');
}
