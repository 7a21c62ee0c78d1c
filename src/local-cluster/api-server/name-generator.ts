/** Names from `generateName`. Source: k8s.io/apiserver pkg/storage/names. */
import type { Random } from '../../clock.ts';

/** Without vowels and look-alikes: no word comes out. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MAX_LENGTH = 63;

export function generateName(base: string, random: Random): string {
  let suffix = '';
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += ALPHABET[Math.floor(random.next() * ALPHABET.length)];
  return `${base.slice(0, MAX_LENGTH - SUFFIX_LENGTH)}${suffix}`;
}
