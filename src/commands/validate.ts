/** `zonelet validate`: every mistake of a configuration file at once, and nothing else. */
import { jsonSchemaText } from '../config/json-schema.ts';
import { loadConfig } from '../config/load.ts';
import { loadProvider } from '../provider/loading.ts';
import { defineCommand } from './command.ts';
import { UsageError } from './usage-error.ts';

export const validate = defineCommand({
  name: 'validate',
  summary: 'Check a configuration file and name every mistake in it.',
  description: `Reads a configuration file as "zonelet run" would, with the environment's variables in place of its references, and names every mistake at once: where it stands, what was found, what is allowed and what was probably meant. Nothing is contacted and nothing is created.

Options of "zonelet run" that stand in for the file (--replica, --home-zone and so on) are checked by run itself.`,
  positionals: [{ name: 'FILE', required: false, description: 'The configuration file (YAML).' }],
  options: {
    'json-schema': {
      type: 'boolean',
      description: 'Print the JSON Schema of the configuration, for editors, instead of checking a file.',
    },
  },
  examples: [
    { what: 'Check a file.', command: 'zonelet validate zonelet.yaml' },
    {
      what: 'Check it as the pod zonelet-0 would read it.',
      command: 'POD_NAME=zonelet-0 zonelet validate zonelet.yaml',
    },
    {
      what: 'Give editors the schema.',
      command: 'zonelet validate --json-schema > zonelet.schema.json',
    },
  ],
  exitStatuses: { 0: 'The file is right.', 2: 'It is not; the mistakes are on stderr, one a line.' },
  async run({ env, cwd, hostname, stdout }, { options, positionals: [file] }) {
    if (options['json-schema']) {
      stdout.write(jsonSchemaText());
      return 0;
    }
    if (file === undefined) throw new UsageError('missing argument FILE: the configuration file (YAML)');
    const config = await loadConfig({ file, cwd, env, hostname, checkProvider: loadProvider });
    const zones = config.zones.map(({ name, provider }) => `${name} (${provider.kind})`).join(', ');
    stdout.write(`${file}: right. Set ${config.set}, replica ${config.replica.name}, zones ${zones}.\n`);
    return 0;
  },
});
