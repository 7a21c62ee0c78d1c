/** Reads a command's arguments by its declaration; all mistakes at once, each with what was probably meant. */
import { parseArgs } from 'node:util';
import { nearest } from '../nearest.ts';
import type { AnyCommand, Option, Options, Parsed } from './command.ts';
import { UsageError } from './usage-error.ts';

/** Throws `UsageError` for whatever the command does not know. Answers `help` when that was asked for. */
export function parseArguments(
  command: Pick<AnyCommand, 'name' | 'options' | 'positionals'>,
  args: readonly string[],
): Parsed | 'help' {
  const { options: declared, positionals: expected = [] } = command;
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries([
      ...Object.entries(declared).map(([name, option]) => [name, parseArgsOption(option)]),
      ['help', { type: 'boolean', short: 'h' }],
    ]),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const problems: string[] = [];
  const values: Record<string, string | number | boolean> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'option' && token.name === 'help') return 'help';
    if (token.kind === 'positional') {
      positionals.push(token.value);
      const declaredHere = expected.length;
      if (positionals.length > declaredHere) problems.push(`unexpected argument "${token.value}"`);
    }
    if (token.kind === 'option') readOption(declared, token, values, problems);
  }
  for (const positional of expected.slice(positionals.length)) {
    if (positional.required) problems.push(`missing argument ${positional.name}: ${positional.description}`);
  }
  for (const [name, option] of Object.entries(declared)) {
    if (option.type === 'boolean') values[name] ??= false;
    else if (option.default !== undefined) values[name] ??= option.default;
    else if (
      option.type === 'string' &&
      option.required &&
      !tokens.some((t) => t.kind === 'option' && t.name === name)
    ) {
      problems.push(`missing option --${name} ${option.value}: ${option.description}`);
    }
  }
  if (problems.length > 0) {
    throw new UsageError([...problems, `see "zonelet ${command.name} --help"`].join('\n'));
  }
  return { options: values as Parsed['options'], positionals };
}

interface OptionToken {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

function readOption(
  declared: Options,
  { name, rawName, value }: OptionToken,
  values: Record<string, string | number | boolean>,
  problems: string[],
): void {
  const option = Object.hasOwn(declared, name) ? declared[name] : undefined;
  if (option === undefined) {
    const meant = nearest(name, [...Object.keys(declared), 'help']);
    problems.push(`unknown option ${rawName}${meant === undefined ? '' : `; did you mean --${meant}?`}`);
  } else if (option.type === 'boolean') {
    if (value === undefined) values[name] = true;
    else problems.push(`option --${name} takes no value, found "${value}"`);
  } else if (value === undefined || value === '') {
    problems.push(`option --${name} needs a value: ${option.value}`);
  } else if (option.type === 'integer') {
    const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= option.min && number <= option.max) values[name] = number;
    else
      problems.push(`option --${name}: found "${value}", allowed: a whole number from ${option.min} to ${option.max}`);
  } else if (option.choices !== undefined && !option.choices.includes(value)) {
    const meant = nearest(value, option.choices);
    const hint = meant === undefined ? '' : `; did you mean "${meant}"?`;
    problems.push(`option --${name}: found "${value}", allowed: ${option.choices.join(', ')}${hint}`);
  } else {
    values[name] = value;
  }
}

function parseArgsOption(option: Option): { type: 'string' | 'boolean'; short?: string } {
  const type = option.type === 'boolean' ? 'boolean' : 'string';
  return option.short === undefined ? { type } : { type, short: option.short };
}
