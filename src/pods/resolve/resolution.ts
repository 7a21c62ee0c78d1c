/** A pod with everything that it refers to, as the provider gets it; or why that cannot be had yet. */
import type { Pod } from '../../kube/types.ts';
import type { ResolvedPod, VolumeContent } from '../../provider/contract.ts';
import type { PodContext } from '../context.ts';
import { podHash } from '../hash.ts';
import { reaching } from '../status-writer.ts';
import type { TrackedPod } from '../tracked-pod.ts';
import { allContainers, resolveEnvironment } from './environment.ts';
import { expandedPod } from './expanded-pod.ts';
import { isPodIPField } from './field-reference.ts';
import { Missing, type Note } from './missing.ts';
import { resolvePullSecrets } from './pull-secrets.ts';
import { CONTENT_KINDS, isServiceAccountVolume, type ResolvedVolume, resolveVolume, type Volume } from './volumes.ts';

export type Resolution =
  | {
      readonly state: 'resolved';
      readonly pod: ResolvedPod;
      readonly volumes: ReadonlyMap<string, ResolvedVolume>;
      /** What was left out. */
      readonly notes: readonly Note[];
    }
  | {
      readonly state: 'missing';
      /** Why its containers wait, or why its volumes cannot be had. */
      readonly reason: 'CreateContainerConfigError' | typeof FAILED_MOUNT;
      readonly missing: Missing;
      /** The first is a kubelet's. */
      readonly events: readonly Note[];
    };

/** Reason of the Event; the containers wait as they do in any case. */
export const FAILED_MOUNT = 'FailedMount';

const NO_SERVICES = 'services have not yet been read at least once, cannot construct envvars';

/** In the order of a kubelet: volumes, what the image is pulled with, environment. */
export async function resolvePod(context: PodContext, tracked: TrackedPod, pod: Pod): Promise<Resolution> {
  let volumes: ReadonlyMap<string, ResolvedVolume>;
  try {
    volumes = await resolveVolumes(context, pod, contentVolumes(context, pod));
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    const events = [{ reason: FAILED_MOUNT, message: error.message }];
    return { state: 'missing', reason: FAILED_MOUNT, missing: error, events };
  }
  const read = context.references.read.bind(context.references);
  const pull = await reaching(resolvePullSecrets(pod, read));

  const links = pod.spec?.enableServiceLinks ?? true;
  if (!context.services.ready) return configError(new Missing(NO_SERVICES), undefined);
  const known = tracked.backend?.observation.podIPs ?? [];
  const { uid } = tracked.ref;
  const markers = { podIP: `{{zonelet:status.podIP:${uid}}}`, podIPs: `{{zonelet:status.podIPs:${uid}}}` };
  const podIPs = known.length > 0 ? { podIP: known[0] ?? '', podIPs: known.join(',') } : markers;
  const environment = await reaching(
    resolveEnvironment(pod, {
      read,
      services: context.services.variables(tracked.ref.namespace, links),
      addresses: { hostIP: pod.status?.hostIP ?? context.hostIP ?? '', ...podIPs },
      allocatable: context.allocatable(),
    }),
  );
  if (!environment.ok) return configError(environment.missing, environment.container);
  const { env } = environment;
  let expanded: Pod;
  try {
    expanded = expandedPod(pod, env);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return configError(error, undefined);
  }
  return {
    state: 'resolved',
    pod: {
      ref: tracked.ref,
      pod: expanded,
      env,
      ...(podIPs === markers && asksForPodIPs(pod) ? { podIPMarkers: markers } : {}),
      volumes: contents(volumes),
      pullSecrets: pull.secrets,
      hash: podHash(pod),
    },
    volumes,
    notes: [...pull.notes, ...environment.notes],
  };
}

function configError(missing: Missing, container: string | undefined): Resolution {
  const where = container === undefined ? '' : ` (container ${container})`;
  const failed = { reason: 'Failed', message: `Error: ${missing.message}${where}` };
  const events = missing.note === undefined ? [failed] : [failed, missing.note];
  return { state: 'missing', reason: 'CreateContainerConfigError', missing, events };
}

/** The volumes whose content this backend is given. */
export function contentVolumes(context: Pick<PodContext, 'provider'>, pod: Pod): readonly Volume[] {
  const { volumes, serviceAccountTokens = true } = context.provider.capabilities;
  return (pod.spec?.volumes ?? []).filter((volume) => {
    const kind = CONTENT_KINDS.find((one) => volume[one] !== undefined);
    if (kind === undefined || !volumes.includes(kind)) return false;
    return serviceAccountTokens || !isServiceAccountVolume(volume);
  });
}

/** `Missing` for the first that cannot be had. */
export async function resolveVolumes(
  context: PodContext,
  pod: Pod,
  volumes: readonly Volume[],
): Promise<ReadonlyMap<string, ResolvedVolume>> {
  const { references, tokens, provider } = context;
  const sources = {
    read: references.read.bind(references),
    ...(provider.capabilities.serviceAccountTokens === false ? {} : { token: tokens.get.bind(tokens, pod) }),
    allocatable: context.allocatable(),
  };
  const resolved = new Map<string, ResolvedVolume>();
  for (const volume of volumes) {
    resolved.set(volume.name, await reaching(resolveVolume(pod, volume, sources), 'Ambiguous'));
  }
  return resolved;
}

export function contents(volumes: ReadonlyMap<string, ResolvedVolume>): Record<string, VolumeContent> {
  return Object.fromEntries([...volumes].map(([name, { content }]) => [name, content]));
}

/** Somewhere in its environment. */
function asksForPodIPs(pod: Pod): boolean {
  return allContainers(pod).some(({ env }) =>
    env?.some(({ valueFrom }) => isPodIPField(valueFrom?.fieldRef?.fieldPath ?? '')),
  );
}
