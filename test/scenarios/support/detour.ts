/**
 * Loaded before a replica's own program: what it tells the others of where its peers connect to leads through a port of
 * the test's, by `ZONELET_TEST_DETOURS`, a JSON map from its own port to that one.
 */
import process from 'node:process';
import type { startPeers } from '../../../src/peers/peers.ts';

if (process.argv.includes('run')) {
  const detours = JSON.parse(process.env.ZONELET_TEST_DETOURS ?? '{}') as Readonly<Record<string, number>>;
  const [{ outside }, { formatPeerAddress, parsePeerAddress }] = await Promise.all([
    import('../../../src/commands/run/outside.ts'),
    import('../../../src/peers/peer-address.ts'),
  ]);
  const direct = outside.startPeers;
  const led: typeof startPeers = async (options) => {
    const peers = await direct(options);
    return {
      ...peers,
      run: (candidates, signal) =>
        peers.run(
          {
            living: () => candidates.living(),
            subscribe: (callback) => candidates.subscribe(callback),
            tell(annotation, value) {
              const at = parsePeerAddress(value);
              const port = at === undefined ? undefined : detours[at.port];
              candidates.tell(annotation, at && port ? formatPeerAddress({ ...at, port }) : value);
            },
          },
          signal,
        ),
    };
  };
  Object.assign(outside, { startPeers: led });
}
