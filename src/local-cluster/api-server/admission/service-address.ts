/** Every Service that wants an address gets one that is free. Source: pkg/registry/core/service/storage/alloc.go. */
import type { Random } from '../../../clock.ts';
import type { Service } from '../../../kube/types.ts';
import { internal } from '../failure.ts';
import type { Store } from '../storage/store.ts';

/** `--service-cluster-ip-range` where it is not set: 10.0.0.0/24. Its first address is the API server's own. */
const PREFIX = '10.0.0.';
const LAST = 254;
export const API_SERVER_ADDRESS = `${PREFIX}1`;

export function assignServiceAddress(store: Store, random: Random, { spec }: Service): void {
  if (spec === undefined || spec.type === 'ExternalName') return;
  spec.clusterIP ??= freeAddress(store, random);
  spec.clusterIPs ??= [spec.clusterIP];
  spec.ipFamilies ??= ['IPv4'];
  spec.ipFamilyPolicy ??= 'SingleStack';
}

function freeAddress(store: Store, random: Random): string {
  const taken = new Set<string | undefined>([API_SERVER_ADDRESS]);
  for (const { object } of store.collection('services').list()) taken.add((object as Service).spec?.clusterIP);
  const first = Math.floor(random.next() * LAST);
  for (let i = 0; i < LAST; i++) {
    const address = `${PREFIX}${1 + ((first + i) % LAST)}`;
    if (!taken.has(address)) return address;
  }
  throw internal('failed to allocate a serviceIP: range is full');
}
