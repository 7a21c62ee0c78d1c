/** New content for a running pod's volume, seen as a whole or not at all: the link `..data` leads to it in one step. */
import type { Clock } from '../../src/clock.ts';
import { ZoneletError } from '../../src/errors.ts';
import type { ReadOptions, VolumeContent } from '../../src/provider/contract.ts';
import type { EnginePods } from './engine-pods.ts';
import { CONTENT_ROOT, FILES, SWITCH_SCRIPT, stampOf, topLevel, volumeFiles } from './pod-files.ts';
import type { PodState } from './pod-state.ts';
import { run } from './streams.ts';

export async function refreshVolume(
  pods: EnginePods,
  state: PodState,
  name: string,
  content: VolumeContent,
  clock: Clock,
  options: ReadOptions,
): Promise<void> {
  const { engine } = pods;
  const { id, running } = state.sandbox;
  // Its containers have ended; a start of them begins with what is there then.
  if (!running) return;
  const stamp = stampOf(content);
  const link = ['readlink', `${FILES}/${CONTENT_ROOT}/${name}/..data`];
  const now = await run(engine, id, link, clock, options.signal);
  if (now.output.trim() === stamp) return;
  const resolved = await pods.applied(state, options);
  const gid = resolved?.pod.spec?.securityContext?.fsGroup;
  await pods.writeFiles(id, volumeFiles(name, content, gid), options);
  const command = ['/bin/sh', '-c', SWITCH_SCRIPT, 'sh', name, stamp, ...topLevel(content)];
  const { exitCode, output } = await run(engine, id, command, clock, options.signal);
  if (exitCode !== 0) throw new ZoneletError('Unavailable', `the files of volume ${name} were not switched: ${output}`);
}
