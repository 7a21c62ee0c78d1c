/** Whether the replicas know each other well enough to tell a death at once: each says so of itself. */
import type { Replica } from './stage.ts';

const TIMEOUT_MS = 2_000;

/** True when every replica holds a connection to every other one. */
export async function peersConnected({
  replicas,
}: {
  readonly replicas: readonly Pick<Replica, 'httpPort'>[];
}): Promise<boolean> {
  const others = replicas.length - 1;
  const counts = await Promise.all(replicas.map(({ httpPort }) => connectedTo(httpPort)));
  return counts.every((count) => count >= others);
}

async function connectedTo(httpPort: number): Promise<number> {
  const url = `http://127.0.0.1:${httpPort}/metrics`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const [, count = '0'] = /^zonelet_peers_connected(?:\{.*\})? (\d+)$/m.exec(await answer.text()) ?? [];
  return Number(count);
}
