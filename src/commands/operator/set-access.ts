/** What a command that acts on a live set works with: its configuration and its cluster. */
import { type Clock, systemClock } from '../../clock.ts';
import type { Config, ZoneConfig } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import type { KubeClient } from '../../kube/client.ts';
import { createLogger } from '../../log.ts';
import { nearest } from '../../nearest.ts';
import { loadProvider } from '../../provider/loading.ts';
import { openConnection } from '../connection.ts';
import type { Environment } from '../environment.ts';
import { UsageError } from '../usage-error.ts';

export interface SetAccess extends AsyncDisposable {
  readonly config: Config;
  readonly client: KubeClient;
  /** Where the set's Leases live. */
  readonly namespace: string;
  readonly clock: Clock;
  /** Who acts, for people. */
  readonly by: string;
}

export async function openSet(
  { cwd, env, hostname }: Pick<Environment, 'cwd' | 'env' | 'hostname'>,
  file: string,
): Promise<SetAccess> {
  const clock = systemClock;
  // The file's references are those of a replica; whoever acts from outside need not have them all.
  const config = await loadConfig({
    file,
    cwd,
    env: { POD_NAME: 'operator', POD_UID: '', ...env },
    hostname,
    checkProvider: loadProvider,
  });
  const access = await openConnection({
    ...(config.kubeconfig === undefined ? {} : { kubeconfig: config.kubeconfig }),
    env,
    clock,
    log: createLogger({ level: 'warn', format: 'text' }),
  });
  return {
    config,
    client: access.client,
    namespace: config.namespace ?? env.POD_NAMESPACE ?? access.namespace ?? 'default',
    clock,
    by: `${env.USER ?? env.LOGNAME ?? 'somebody'}@${hostname}`,
    [Symbol.asyncDispose]: () => access[Symbol.asyncDispose](),
  };
}

export function zoneNamed({ set, zones }: Config, name: string): ZoneConfig {
  const zone = zones.find((each) => each.name === name);
  if (zone !== undefined) return zone;
  const names = zones.map((each) => each.name);
  const meant = nearest(name, names);
  const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
  throw new UsageError(`set ${set} has no zone "${name}"${hint}\nthere are: ${names.join(', ')}`);
}
