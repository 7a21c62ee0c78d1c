import type { NodeIdentity } from '../../../src/node/node-object.ts';

/** The virtual node that the tests of this folder keep. */
export const identity: NodeIdentity = {
  set: 'shop',
  zone: 'zone-a',
  region: 'north',
  nodeName: 'shop-zone-a',
  labels: {},
  taints: [],
  os: 'linux',
  arch: 'amd64',
  election: 'lease',
};
