/** What a replica says of itself. */
import { type Sample, samplesOf, sumOf } from '../../support/prometheus-text.ts';
import type { Play } from './play.ts';

export async function metric(
  play: Play,
  replica: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<number> {
  const port = play.stage.replicas.find((each) => each.name === replica)?.httpPort;
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
  const samples: Sample[] = samplesOf(await answer.text(), name);
  return sumOf(samples, labels);
}

/** Whether it believes that it leads the zone. */
export async function leads(play: Play, replica: string, zone: string): Promise<boolean> {
  return (await metric(play, replica, 'zonelet_leader', { zone })) === 1;
}
