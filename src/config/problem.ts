/** What is wrong with a configuration, and where. */
import { ZoneletError } from '../errors.ts';

export interface Problem {
  /** The file, or the option of the command line (`--home-zone`), that it comes from. */
  readonly source: string;
  /** Counted from 1; undefined where the source has no lines. */
  readonly line?: number;
  readonly column?: number;
  /** Such as `zones[0].provider.url`; empty for the whole file. */
  readonly path: string;
  /** What was found, what is allowed, what was probably meant. */
  readonly message: string;
}

/** A configuration that cannot be used: all its problems at once, one a line. */
export class ConfigError extends ZoneletError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super('InvalidInput', problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

/** `file:line:column: path: message`, as compilers write it, so that editors can jump there. */
export function formatProblem({ source, line, column, path, message }: Problem): string {
  const place = [source, ...(line === undefined ? [] : [line]), ...(column === undefined ? [] : [column])].join(':');
  return `${place}: ${path === '' ? '' : `${path}: `}${message}`;
}
