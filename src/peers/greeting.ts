/**
 * What is said on a connection between replicas: one side listens and says who it is, and, before it goes in good order,
 * that it goes; the other only holds on. A line each.
 */
const HELLO = 'hello ';
const GOODBYE = 'goodbye';
/** More than any line has: a peer that sends no line is none. */
const MAX_PENDING = 1_024;

export function hello(holder: string): string {
  return `${HELLO}${holder}\n`;
}

export const goodbye = `${GOODBYE}\n`;

export type Word = { readonly said: 'hello'; readonly holder: string } | { readonly said: 'goodbye' };

/** Reads words from chunks; undefined for what is none. */
export function createReader(): (chunk: Buffer) => readonly (Word | undefined)[] {
  let pending = '';
  return (chunk) => {
    pending += chunk.toString('utf8');
    const lines = pending.split('\n');
    pending = lines.pop() ?? '';
    const words = lines.map((line): Word | undefined => {
      if (line === GOODBYE) return { said: 'goodbye' };
      return line.startsWith(HELLO) ? { said: 'hello', holder: line.slice(HELLO.length) } : undefined;
    });
    return pending.length > MAX_PENDING ? [...words, undefined] : words;
  };
}
