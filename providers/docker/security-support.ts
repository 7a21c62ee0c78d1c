/** Which security contexts an engine can honour and this zone allows. */
import type { Container, Pod } from '../../src/kube/types.ts';
import type { Unsupported } from '../../src/provider/contract.ts';
import type { DockerOptions } from './options.ts';

type SecurityContext = NonNullable<Container['securityContext']> &
  NonNullable<NonNullable<Pod['spec']>['securityContext']>;

/** What the engine gives every container: to add these changes nothing, so nobody has to allow it. */
const DEFAULT_CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

export function* unsupportedSecurity(
  path: string,
  context: Partial<SecurityContext>,
  allow: DockerOptions['allow'],
): Generator<Unsupported> {
  for (const [i, name] of (context.capabilities?.add ?? []).entries()) {
    if (DEFAULT_CAPABILITIES.has(name) || allow.capabilities.includes(name) || allow.capabilities.includes('*'))
      continue;
    yield {
      path: `${path}.capabilities.add[${i}]`,
      reason: `${name} is not allowed here (provider.allow.capabilities)`,
    };
  }
  for (const field of ['seccompProfile', 'appArmorProfile'] as const) {
    const type = context[field]?.type;
    if (type === undefined || type === 'RuntimeDefault' || (type === 'Unconfined' && allow.unconfined)) continue;
    const reason =
      type === 'Unconfined' ? 'not allowed here (provider.allow.unconfined)' : `${type} is not offered by this backend`;
    yield { path: `${path}.${field}`, reason };
  }
  for (const field of ['seLinuxOptions', 'windowsOptions'] as const) {
    if (context[field] !== undefined) yield { path: `${path}.${field}`, reason: 'not offered by this backend' };
  }
  if (context.procMount !== undefined && context.procMount !== 'Default') {
    yield { path: `${path}.procMount`, reason: 'not offered by this backend' };
  }
  if (context.supplementalGroupsPolicy !== undefined && context.supplementalGroupsPolicy !== 'Merge') {
    yield { path: `${path}.supplementalGroupsPolicy`, reason: 'an engine always adds the groups of the image' };
  }
}
