/** Pod addresses of a private range, each given to one pod at a time. */
import { ZoneletError } from '../../src/errors.ts';

/** RFC 2544 sets it aside for benchmarks of network devices: nothing real is there. */
export const DEFAULT_POD_CIDR = '198.18.0.0/15';

export interface AddressPool {
  /** Throws `NoCapacity` when every address is taken. */
  take(): string;
  release(address: string): void;
}

/** `start`: spreads where different pools of one range begin, so that zones do not show the same addresses. */
export function createAddressPool(cidr: string, start: number): AddressPool {
  const { base, size } = parseCidr(cidr);
  const usable = size - 2;
  const freed: number[] = [];
  let handedOut = 0;
  return {
    take() {
      let offset: number;
      // A new one while there are any: an address just given back may still be in somebody's tables.
      if (handedOut < usable) offset = (start + handedOut++) % usable;
      else {
        const again = freed.shift();
        if (again === undefined) throw new ZoneletError('NoCapacity', `every address of ${cidr} is taken`);
        offset = again;
      }
      return toText(base + 1 + offset);
    },
    release(address) {
      freed.push(toNumber(address) - base - 1);
    },
  };
}

/** What is wrong with a range, or undefined. */
export function cidrProblem(cidr: string): string | undefined {
  const match = /^(\d{1,3}(?:\.\d{1,3}){3})\/(\d{1,2})$/.exec(cidr);
  if (match === null || match[1]?.split('.').some((byte) => Number(byte) > 255) !== false) {
    return 'must be an IPv4 range such as 198.18.0.0/15';
  }
  const bits = Number(match[2]);
  if (bits < 8 || bits > 30) return 'must have a prefix of 8 to 30 bits';
  return toNumber(match[1]) % 2 ** (32 - bits) === 0 ? undefined : 'must begin at its first address';
}

function parseCidr(cidr: string): {
  readonly base: number;
  readonly size: number;
} {
  const problem = cidrProblem(cidr);
  if (problem !== undefined) throw new ZoneletError('InvalidInput', `the range ${cidr} ${problem}`);
  const [address = '', bits = ''] = cidr.split('/');
  return { base: toNumber(address), size: 2 ** (32 - Number(bits)) };
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}
