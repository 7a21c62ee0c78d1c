/** The cluster that a scenario plays on: the embedded one by default, a real control plane under `npm run test:kubernetes`. */
import { join } from 'node:path';
import { type ControlPlane, startControlPlane } from '../../kubernetes/control-plane.ts';

export type Cluster = 'embedded' | 'real';

/** What `test:kubernetes` sets. */
export const CLUSTER: Cluster = process.env.ZONELET_TEST_CLUSTER === 'real' ? 'real' : 'embedded';

/** The embedded one is started by the stage itself. */
export async function startRealCluster(
  folder: string,
  controllerManagerFlags: readonly string[] = [],
): Promise<ControlPlane> {
  return await startControlPlane({ folder: join(folder, 'control-plane'), controllerManagerFlags });
}
