/** The child process that reads a configuration: the parsers of YAML and of the schema take 30 MB. */
import { answerParent } from '../../child-task-entry.ts';
import { loadConfig } from '../../config/load.ts';
import { ConfigError } from '../../config/problem.ts';
import { loadProvider } from '../../provider/loading.ts';
import type { ConfigurationRequest, ConfigurationResult } from './configuration.ts';

answerParent(async (request: ConfigurationRequest): Promise<ConfigurationResult> => {
  try {
    return { config: await loadConfig({ ...request, checkProvider: loadProvider }) };
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems };
    throw error;
  }
});
