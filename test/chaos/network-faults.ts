/** What happens to one replica's way to the API server. */
import type { FaultProxy } from '../support/fault-proxy.ts';
import { type Fault, type Field, LEASE_MS, pause, seconds, someLeader } from './field.ts';

function onTheWay(
  name: string,
  begin: (proxy: FaultProxy, field: Field) => string,
  end: (proxy: FaultProxy) => void,
): Fault {
  return {
    name,
    async happen(field) {
      const victim = someLeader(field);
      const proxy = field.play.links.toApiServer(victim.name);
      // From a hiccup to well beyond the lease.
      const forMs = field.dice.between(500, 2 * LEASE_MS);
      const how = begin(proxy, field);
      try {
        await pause(field, forMs);
      } finally {
        end(proxy);
      }
      return `${victim.name}${how} for ${seconds(forMs)}`;
    },
  };
}

export const NETWORK_FAULTS: readonly Fault[] = [
  onTheWay(
    'connections to the API server cut',
    (proxy) => {
      proxy.cut(true);
      return '';
    },
    (proxy) => proxy.cut(false),
  ),
  onTheWay(
    'answers of the API server come late',
    (proxy) => {
      proxy.hang(true);
      return '';
    },
    (proxy) => proxy.hang(false),
  ),
  onTheWay(
    'traffic to the API server delayed',
    (proxy, { dice }) => {
      // Within the margin that covers the way of a last request: what comes later is told in src/fence/README.md.
      const ms = dice.between(20, 400);
      proxy.delay(ms);
      return ` by ${ms} ms each way`;
    },
    (proxy) => proxy.delay(0),
  ),
  onTheWay(
    'connections to the API server half-closed',
    (proxy) => {
      proxy.halfClose(true);
      return '';
    },
    (proxy) => proxy.halfClose(false),
  ),
];
