/** A replica's configuration, read by a child process: a replica lives long, and what reads it is used once. */
import { runInChild } from '../../child-task.ts';
import type { Config } from '../../config/config.ts';
import type { LoadOptions } from '../../config/load.ts';
import { ConfigError, type Problem } from '../../config/problem.ts';

export type ConfigurationRequest = Omit<LoadOptions, 'checkProvider'>;
export type ConfigurationResult = { readonly config: Config } | { readonly problems: readonly Problem[] };

/** Throws `ConfigError`, as `loadConfig` does. */
export async function readConfiguration(request: ConfigurationRequest): Promise<Config> {
  const result = await runInChild<ConfigurationRequest, ConfigurationResult>(request, {
    entry: './configuration-child',
    from: import.meta.url,
    what: `reading ${request.file}`,
  });
  if ('problems' in result) throw new ConfigError(result.problems);
  return result.config;
}
