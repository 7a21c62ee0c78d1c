/** Where `npm run interop:build` puts Virtual Kubelet's suite. */
import { dirname, join } from 'node:path';
import { cacheFolder } from '../../kubernetes/binaries.ts';

export const SUITE = join(dirname(cacheFolder()), 'virtual-kubelet-e2e');
export const HOW_TO_GET_IT = 'npm run interop:build builds it (Go 1.26, 4 minutes, once)';
