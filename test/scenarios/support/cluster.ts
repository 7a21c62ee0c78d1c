/** The cluster that a scenario plays on: the embedded one by default, a real control plane under `npm run test:kubernetes`. */
import { join } from 'node:path';
import { type ControlPlane, startControlPlane } from '../../kubernetes/control-plane.ts';

/** What `test:kubernetes` sets. */
export const CLUSTER: 'embedded' | 'real' = process.env.ZONELET_TEST_CLUSTER === 'real' ? 'real' : 'embedded';

/** Undefined on the embedded one, which the stage starts itself. */
export async function startRealCluster(folder: string): Promise<ControlPlane | undefined> {
  return CLUSTER === 'real' ? await startControlPlane({ folder: join(folder, 'control-plane') }) : undefined;
}
