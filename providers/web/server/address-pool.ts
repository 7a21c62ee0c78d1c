/** Pod addresses of a private IPv4 range, each given to one pod at a time. */
import { ZoneletError } from '../../../src/errors.ts';

export interface AddressPool {
  /** Throws `NoCapacity` when every address is taken. */
  take(): string;
  /** Marks an address that a pod has already; one outside the range is left alone. */
  keep(address: string): void;
  release(address: string): void;
}

/** `seed`: where in the range it begins, so that zones seldom show the same addresses. */
export function createAddressPool(range: string, seed: string): AddressPool {
  const [first = '', bits = '0'] = range.split('/');
  const base = toNumber(first) + 1;
  const usable = 2 ** (32 - Number(bits)) - 2;
  const taken = new Set<number>();
  let next = hash(seed) % usable;
  return {
    take() {
      if (taken.size >= usable) throw new ZoneletError('NoCapacity', `every address of ${range} is taken`);
      // Always onwards: an address just given back may still be in somebody's tables.
      while (taken.has(next)) next = (next + 1) % usable;
      const offset = next;
      taken.add(offset);
      next = (next + 1) % usable;
      return toText(base + offset);
    },
    keep(address) {
      const offset = toNumber(address) - base;
      if (!(offset >= 0 && offset < usable)) return;
      taken.add(offset);
      next = (offset + 1) % usable;
    },
    release(address) {
      taken.delete(toNumber(address) - base);
    },
  };
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}
