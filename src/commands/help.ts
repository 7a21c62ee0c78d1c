/** Help pages, made from the declarations of the commands, on 80 columns. */
import type { AnyCommand, Option } from './command.ts';

const WIDTH = 80;

/** The page of one command: usage, what it does, options with defaults, examples, exit statuses. */
export function commandHelp(command: Omit<AnyCommand, 'run'>): string {
  const positionals = command.positionals ?? [];
  const options: [string, Option][] = [
    ...Object.entries(command.options),
    ['help', { type: 'boolean', short: 'h', description: 'Show this page.' }],
  ];
  const usage = [
    'zonelet',
    command.name,
    ...positionals.map(({ name, required }) => (required ? name : `[${name}]`)),
    ...options
      .filter(([, option]) => option.type === 'string' && option.required)
      .map(([name, option]) => `--${name} ${'value' in option ? option.value : ''}`),
    '[options]',
  ].join(' ');
  const sections = [
    `Usage: ${usage}`,
    command.description
      .split('\n\n')
      .map((paragraph) => wrap(paragraph.replaceAll('\n', ' '), 0))
      .join('\n\n'),
    positionals.length === 0
      ? ''
      : `Arguments:\n${positionals.map(({ name, description }) => entry(name, description)).join('\n')}`,
    `Options:\n${options.map(([name, option]) => entry(optionHead(name, option), optionText(option))).join('\n')}`,
    command.examples.length === 0
      ? ''
      : `Examples:\n${command.examples.map(({ what, command: line }) => `${wrap(`# ${what}`, 2)}\n  ${line}`).join('\n')}`,
    `Exit status:\n${Object.entries(command.exitStatuses)
      .map(([status, meaning]) => entry(status, meaning, 5))
      .join('\n')}`,
  ];
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

/** The page of the whole: what it is and which commands there are. */
export function overview(commands: readonly { readonly name: string; readonly summary: string }[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length)) + 4;
  return `Usage: zonelet COMMAND [options]

${wrap('Highly available virtual nodes for Kubernetes, one per availability zone: replicas elect a leader for each zone, and killing one restarts no pod.', 0)}

Commands:
${commands.map(({ name, summary }) => entry(name, summary, width)).join('\n')}

Options:
${entry('-h, --help', 'Show this page, or with a command before it the page of that command.', 18)}
${entry('--version', 'Print the version.', 18)}

See "zonelet COMMAND --help" for what a command does, its options and examples.
`;
}

function optionHead(name: string, option: Option): string {
  const long = `--${name}${option.type === 'boolean' ? '' : ` ${option.value}`}`;
  return option.short === undefined ? long : `-${option.short}, ${long}`;
}

function optionText(option: Option): string {
  const notes: string[] = [];
  if (option.type === 'string' && option.required) notes.push('Required.');
  if (option.type === 'string' && option.choices !== undefined) notes.push(`One of: ${option.choices.join(', ')}.`);
  if (option.type !== 'boolean' && option.default !== undefined) notes.push(`Default: ${option.default}.`);
  return [option.description, ...notes].join(' ');
}

/** `  head   text`, the text wrapped beside its head, or below it where the head is long. */
function entry(head: string, text: string, indent = 26): string {
  const body = wrap(text, indent);
  const first = `  ${head}`;
  return first.length <= indent - 2 ? first + body.slice(first.length) : `${first}\n${body}`;
}

function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((each) => ' '.repeat(indent) + each).join('\n');
}
