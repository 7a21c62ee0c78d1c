/** Structured logs: one JSON object a line (or coloured text for people), fixed keys `zone`, `node`, `pod`, `epoch`. */
import { type DestinationStream, pino } from 'pino';
import pretty from 'pino-pretty';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What a component needs of a logger. Values of Secrets are never passed to it. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger whose lines all carry `fields`. */
  child(fields: object): Logger;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** `json` for machines (default), `text` for people. */
  readonly format: 'json' | 'text';
  /** File descriptor to write to. @defaultValue 2: stdout belongs to a command's own output. */
  readonly fd?: number;
}

export function createLogger(options: LogOptions): Logger {
  const fd = options.fd ?? 2;
  const destination: DestinationStream =
    options.format === 'text'
      ? pretty({ destination: fd, sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
      : pino.destination({ fd, sync: true });
  return pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** Drops everything: for tests and for commands that print their own result. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
