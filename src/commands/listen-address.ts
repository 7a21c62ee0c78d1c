/** Where a server of a command listens: `127.0.0.1:7101`, `[::1]:7101`, `localhost:0`. */
import { isIP } from 'node:net';
import { UsageError } from './usage-error.ts';

/** `example`: an address for the message about what is none. */
export function readListen(text: string, example: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const [, inBrackets, plain, digits] = match ?? [];
  const host = inBrackets ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65_535 || (inBrackets !== undefined && isIP(inBrackets) !== 6)) {
    throw new UsageError(`option --listen: found "${text}", allowed: HOST:PORT, such as ${example} or [::1]:0`);
  }
  return { host, port };
}
