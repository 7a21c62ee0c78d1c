/**
 * What a command is: declared once, as data, from which its arguments are read (`arguments.ts`) and its help page is
 * made (`help.ts`).
 */
import type { Environment } from './environment.ts';

interface OptionBase {
  /** One letter, without the dash. */
  readonly short?: string;
  /** What it does, with its unit and what happens without it. */
  readonly description: string;
}

export interface StringOption extends OptionBase {
  readonly type: 'string';
  /** What stands for the value in the help page, such as `FILE`. */
  readonly value: string;
  readonly default?: string;
  readonly required?: true;
  /** The only values allowed. */
  readonly choices?: readonly string[];
}

export interface IntegerOption extends OptionBase {
  readonly type: 'integer';
  readonly value: string;
  readonly default?: number;
  readonly min: number;
  readonly max: number;
}

export interface BooleanOption extends OptionBase {
  readonly type: 'boolean';
}

export type Option = StringOption | IntegerOption | BooleanOption;
export type Options = Readonly<Record<string, Option>>;

export interface Positional {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
}

type ValueOf<O extends Option> = O extends BooleanOption
  ? boolean
  : O extends { readonly type: 'integer' }
    ? O extends { readonly default: number }
      ? number
      : number | undefined
    : O extends { readonly default: string } | { readonly required: true }
      ? string
      : string | undefined;

/** The arguments as the command gets them: checked, with defaults filled in. */
export interface Parsed<O extends Options = Options> {
  readonly options: { readonly [K in keyof O]: ValueOf<O[K]> };
  /** As many as the command declares; left out ones at the end are missing. */
  readonly positionals: readonly string[];
}

export interface Command<O extends Options = Options> {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What it does, for its help page: paragraphs of plain text. */
  readonly description: string;
  readonly positionals?: readonly Positional[];
  readonly options: O;
  readonly examples: readonly { readonly command: string; readonly what: string }[];
  /** What each exit status means. */
  readonly exitStatuses: Readonly<Record<number, string>>;
  /** Resolves with the exit status. A thrown `UsageError` or `ConfigError` becomes 2, anything else 1. */
  run(environment: Environment, parsed: Parsed<O>): Promise<number>;
}

/** Keeps the types of the options. */
export function defineCommand<const O extends Options>(command: Command<O>): Command<O> {
  return command;
}

/** A command whose options are not known by type: what the command line works with. */
export type AnyCommand = Omit<Command, 'run'> & {
  run(environment: Environment, parsed: Parsed<never>): Promise<number>;
};
