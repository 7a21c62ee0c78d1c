/** Whose word on a leader's death is taken in which zone. */
import type { Candidates } from '../../election/candidates.ts';
import { createPodWitness } from '../../election/pod-witness.ts';
import { anyWitness, type Witness } from '../../election/witness.ts';
import type { ServingCertificate } from '../../kubelet/certificates.ts';
import { listenHost } from './kubelets.ts';
import type { ReplicaOptions } from './replica-options.ts';
import type { ZoneParts } from './zone-parts.ts';

export interface WitnessesOptions extends ReplicaOptions {
  /** Own holder identity. */
  readonly holder: string;
  readonly certificate: ServingCertificate;
  readonly zones: readonly ZoneParts[];
}

export interface Witnesses extends AsyncDisposable {
  of(zone: ZoneParts): Witness;
  /** Until the signal aborts. */
  run(candidates: Candidates, signal: AbortSignal): Promise<void>;
}

export async function startWitnesses(options: WitnessesOptions): Promise<Witnesses> {
  const { config, client, holder, certificate, zones, clock, metrics, log } = options;
  const { onPeerDeath } = config.election;
  /** What lies between the replicas could lie about a leader that lives: then it is the backend that accepts nothing of it. */
  const believesPeers = ({ provider }: ZoneParts): boolean =>
    onPeerDeath === 'always' || (onPeerDeath === 'auto' && provider.capabilities.fence === 'epoch');
  const { address, port } = config.peers;
  const peers = zones.some(believesPeers)
    ? await options.outside.startPeers({
        holder,
        address,
        listen: { host: listenHost(address), port },
        certificate,
        clock,
        metrics: metrics.peers,
        log,
      })
    : undefined;
  const pods = createPodWitness({
    client,
    namespace: options.inCluster?.namespace ?? options.namespace,
    container: config.replica.container,
    clock,
    log,
  });
  return {
    of: (zone) => anyWitness([pods.witness, ...(peers !== undefined && believesPeers(zone) ? [peers.witness] : [])]),
    async run(candidates, signal) {
      await Promise.all([pods.run(candidates, signal), peers?.run(candidates, signal)]);
    },
    [Symbol.asyncDispose]: async () => await peers?.[Symbol.asyncDispose](),
  };
}
