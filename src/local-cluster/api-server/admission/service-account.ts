/** ServiceAccount: every pod runs as one, and gets its token. Source: plugin/pkg/admission/serviceaccount. */
import type { V1ServiceAccount } from '@kubernetes/client-node';
import type { Random } from '../../../clock.ts';
import type { Pod, Wire } from '../../../kube/types.ts';
import { forbidden } from '../failure.ts';
import { allContainers, type Volume } from '../kinds/pod-defaults.ts';
import { generateName } from '../name-generator.ts';
import type { Store } from '../storage/store.ts';

const TOKEN_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const MIRROR = 'kubernetes.io/config.mirror';
const PREFIX = 'kube-api-access-';
/** An hour and some seconds, so that it can be told from a token that was asked for. */
const TOKEN_SECONDS = 3607;

export function applyServiceAccount(store: Store, random: Random, pod: Pod): void {
  const { spec, metadata } = pod;
  if (spec === undefined || metadata?.annotations?.[MIRROR] !== undefined) return;
  const name = (spec.serviceAccountName ?? '') === '' ? 'default' : (spec.serviceAccountName ?? 'default');
  spec.serviceAccountName = name;
  spec.serviceAccount = name;
  const namespace = metadata?.namespace ?? '';
  const stored = store.collection('serviceaccounts').get(`${namespace}/${name}`);
  if (stored === undefined) {
    const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
    throw forbidden({ group: '', resource: 'pods' }, metadata?.name ?? '', why);
  }
  const account = stored.object as Wire<V1ServiceAccount>;
  if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod, random);
  const { imagePullSecrets } = account;
  if ((spec.imagePullSecrets ?? []).length === 0 && imagePullSecrets !== undefined) {
    spec.imagePullSecrets = imagePullSecrets.map((secret) => ({ ...secret }));
  }
}

function mountToken({ spec }: Pod, random: Random): void {
  if (spec === undefined) return;
  const volumes = spec.volumes ?? [];
  const known = volumes.find((volume) => volume.name.startsWith(PREFIX));
  const name = known?.name ?? freeName(volumes, random);
  let mounted = false;
  for (const container of allContainers(spec)) {
    const mounts = container.volumeMounts ?? [];
    // A mount of one's own at that place wins.
    if (mounts.some(({ mountPath }) => mountPath === TOKEN_PATH)) continue;
    container.volumeMounts = [...mounts, { name, readOnly: true, mountPath: TOKEN_PATH }];
    mounted = true;
  }
  if (mounted && known === undefined) spec.volumes = [...volumes, tokenVolume(name)];
}

function freeName(volumes: readonly Volume[], random: Random): string {
  for (;;) {
    const name = generateName(PREFIX, random);
    if (!volumes.some((volume) => volume.name === name)) return name;
  }
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 0o644,
    },
  };
}
