/** What happens to one leader's way to the API server, or to the backend of a zone that it leads. */
import type { FaultProxy } from '../support/fault-proxy.ts';
import { type Fault, type Field, pause, seconds, someLeader } from './field.ts';

interface Way {
  readonly to: string;
  readonly proxy: FaultProxy;
}

const WAYS: readonly ((field: Field, replica: string) => Way)[] = [
  ({ play }, replica) => ({ to: 'the API server', proxy: play.links.toApiServer(replica) }),
  ({ play, dice }, replica) => {
    const { zone } = dice.pick(play.observer.zones().filter(({ leader }) => leader === replica));
    return { to: `the backend of ${zone}`, proxy: play.links.toBackend(replica, zone) };
  },
];

function onAWay(
  name: string,
  begin: (proxy: FaultProxy, field: Field) => string | undefined,
  end: (proxy: FaultProxy) => void,
): readonly Fault[] {
  return WAYS.map((way, index) => ({
    name: `${name} ${index === 0 ? 'the API server' : 'a backend'}`,
    async happen(field) {
      const victim = someLeader(field);
      const { to, proxy } = way(field, victim.name);
      // From a hiccup to well beyond the lease.
      const forMs = field.dice.between(500, 2 * field.leaseMs);
      const how = begin(proxy, field);
      try {
        await pause(field, forMs);
      } finally {
        end(proxy);
      }
      return `from ${victim.name} to ${to}${how === undefined ? '' : `, ${how}`}, for ${seconds(forMs)}`;
    },
  }));
}

export const NETWORK_FAULTS: readonly Fault[] = [
  ...onAWay(
    'connections cut to',
    (proxy) => {
      proxy.cut(true);
      return undefined;
    },
    (proxy) => proxy.cut(false),
  ),
  ...onAWay(
    'late answers of',
    (proxy) => {
      proxy.hang(true);
      return undefined;
    },
    (proxy) => proxy.hang(false),
  ),
  ...onAWay(
    'traffic delayed to',
    (proxy, { dice }) => {
      // Within the margin that covers the way of a last request: what comes later is told in src/fence/README.md.
      const ms = dice.between(20, 400);
      proxy.delay(ms);
      return `${ms} ms each way`;
    },
    (proxy) => proxy.delay(0),
  ),
  ...onAWay(
    'connections half-closed to',
    (proxy) => {
      proxy.halfClose(true);
      return undefined;
    },
    (proxy) => proxy.halfClose(false),
  ),
];
