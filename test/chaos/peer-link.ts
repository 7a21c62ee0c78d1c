/**
 * A proxy before one replica's port for its peers, which can deny that it is there. Before one only: a proxy accepts
 * connections for a process that is dead, too, so that no kernel could prove a death.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemRandom } from '../../src/clock.ts';
import { freePorts } from '../../src/commands/demo/free-ports.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';

export interface PeerLink extends AsyncDisposable {
  /** The replica that the others reach through it. */
  readonly replica: string;
  readonly proxy: FaultProxy;
  /** For every part of the stage: the replica names the proxy to the others. */
  readonly env: Readonly<Record<string, string>>;
  /** What that replica's configuration says of its peers. */
  readonly section: { readonly address: string; readonly port: number | undefined };
}

const DETOUR = pathToFileURL(join(import.meta.dirname, '../scenarios/support/detour.ts')).href;

export async function openPeerLink(replica: string): Promise<PeerLink> {
  const [port = 0] = await freePorts(systemRandom, 1);
  const proxy = await startFaultProxy();
  proxy.target(port);
  return {
    replica,
    proxy,
    env: { NODE_OPTIONS: `--import=${DETOUR}`, ZONELET_TEST_DETOURS: JSON.stringify({ [port]: proxy.port }) },
    section: { address: '127.0.0.1', port },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}
