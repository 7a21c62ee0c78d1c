/**
 * One term of a zone, from winning it to its end: the Node is claimed (which raises the epoch that everybody compares with),
 * the backend's fence is raised and the shared pod state's, and only then do pods get worked on. Beside them the Node is
 * kept, hand-overs are answered, and a zone whose backend is down is given up where that is wanted.
 */
import { sleep } from '../clock.ts';
import { putByHand } from '../election/hand-over-request.ts';
import { parseHolder } from '../election/identity.ts';
import type { Term, TermCause } from '../election/term.ts';
import { hasCode, messageOf } from '../errors.ts';
import { createTermClient } from '../fence/term-client.ts';
import { createWorkQueue } from '../kube/work-queue.ts';
import type { Logger } from '../log.ts';
import { claimNode } from '../node/claim.ts';
import { SET_LABEL } from '../node/names.ts';
import { runNodeController } from '../node/node-controller.ts';
import { runPodController } from '../pods/controller.ts';
import { keepPodsNotReady } from '../pods/not-ready.ts';
import type { TermProvider } from '../provider/term-provider.ts';
import { countAllocation } from './allocation.ts';
import { answerHandOvers } from './hand-over-requests.ts';
import { createDeparture } from './health/departure.ts';
import { nodeHealth } from './health/posture.ts';
import { removeReplaced } from './health/replaced-pods.ts';
import { acceptRemoval, removeZone } from './removal.ts';
import { measurePhases } from './take-over-phases.ts';
import type { ZoneOptions } from './zone-options.ts';
import type { ZoneReports } from './zone-reports.ts';

/** A backend that does not answer is asked again after this: it is the zone's only one, and a claim is small. */
const CLAIM_RETRY_MS = 500;
const CLAIM_RETRY_MAX_MS = 5_000;

/** How the zone came to this leader, for people. */
const CAUSES: Readonly<Record<TermCause, string>> = {
  first: 'nobody led it before',
  released: 'its predecessor gave it up',
  'handed-over': 'its predecessor handed it over',
  expired: 'nothing was heard of its predecessor for a lease',
  resumed: 'it held the lock already',
  'lock-lost': 'the lock was gone',
  restarted: 'its container restarted',
  terminated: "its predecessor's container has terminated",
  refused: "its predecessor's kernel closed its connections and refuses new ones",
};

/** One term, from winning it to its end. */
export async function lead(options: ZoneOptions, reports: ZoneReports, term: Term): Promise<void> {
  const { identity, client, clock, events, metrics, pods, provider, owner } = options;
  const zone = identity.zone;
  const log = options.log.child({ epoch: term.epoch });
  const { mayTakeOver } = options.campaign;
  const writes = createTermClient({
    client,
    term,
    onFenced: (by) => metrics.election.fenced.inc({ zone, by }),
    ...(options.carryEpoch === true ? { policyNode: identity.nodeName } : {}),
  });
  const node = await claimNode({ identity, term, client, writes, clock, log, mayTakeOver });
  const claimed = clock.monotonic();
  const leaderlessMs = term.leaderlessMs === undefined ? undefined : term.leaderlessMs + claimed - term.since;
  if (leaderlessMs !== undefined) metrics.election.takeover.observe({ zone }, leaderlessMs / 1000);
  log.info({ node: identity.nodeName, leaderlessMs }, 'leads the zone');
  const eventNode = { ...node, apiVersion: 'v1', kind: 'Node' };
  const self = parseHolder(term.holder)?.replica ?? term.holder;
  const elected = `${self} leads zone ${zone} with epoch ${term.epoch}: ${CAUSES[term.cause]}.`;
  events.record(eventNode, 'Normal', 'LeaderElected', elected);
  const phaseEnded = measurePhases({
    zone,
    term,
    clock,
    metrics: metrics.election,
    log,
    say: (what) => events.record(eventNode, 'Normal', 'TakenOver', what),
  });

  if (putByHand(node, term)) term.stay();

  const mutations = provider.forTerm(term, owner);
  using allocation = countAllocation(zone, pods, clock, metrics.node);
  const departure = createDeparture({
    zone,
    nodeName: identity.nodeName,
    nodeNames: options.nodeNames,
    labelSelector: `${SET_LABEL}=${identity.set}`,
    policy: options.onZoneDown,
    health: options.health,
    client,
    removeReplaced: (signal) => removeReplaced({ zone, owner, client, pods, provider, mutations, log }, signal),
    clock,
    metrics: metrics.health,
    log,
  });
  // The Node is kept to the end of the term, also while the pods are being wound down.
  const office = new AbortController();
  const inOffice = AbortSignal.any([office.signal, term.signal]);
  const keeping = runNodeController(
    {
      identity,
      term,
      client,
      writes,
      nodes: options.nodes,
      events,
      metrics: metrics.node,
      mayTakeOver,
      clock,
      log,
      address: options.kubelet.address,
      kubeletPort: options.kubelet.port,
      runtime: provider.kind,
      version: options.version,
      capacity: options.capacity,
      report: () => reports.latest,
      health(of) {
        const leaving = { notReady: departure.ofNode(of), held: departure.held };
        return nodeHealth(options.health.verdict, leaving, () => allocation.latest);
      },
      onNews(callback) {
        const unsubscribe = [reports, options.health, departure].map(({ subscribe }) => subscribe(callback));
        return () => {
          for (const remove of unsubscribe) remove();
        };
      },
    },
    node,
    inOffice,
  );
  const departing = Promise.all([
    departure.run(AbortSignal.any([inOffice, term.ending])),
    keepPodsNotReady({ pods, readiness: departure, writes, clock, log }, inOffice),
  ]);
  const answering = answerHandOvers(
    {
      zone,
      nodeName: identity.nodeName,
      term,
      writes,
      nodes: options.nodes,
      candidates: options.candidates,
      preferHome: options.preferHome,
      events,
      clock,
      log,
    },
    // Whoever comes next answers what is asked from now on.
    AbortSignal.any([inOffice, term.ending]),
  );
  const removal = { ...options, zone, nodeName: identity.nodeName, term, writes, log };
  const asked = new AbortController();
  const accepting = acceptRemoval(removal, AbortSignal.any([inOffice, term.ending])).then((request) => {
    if (request === undefined) return undefined;
    term.stay();
    asked.abort();
    return request;
  });
  // Until the term ends, or the zone is to be taken away.
  const working: Term = { ...term, ending: AbortSignal.any([term.ending, asked.signal]) };
  const work = async (): Promise<void> => {
    if (!(await claimBackend(options, mutations, working, log))) return;
    // Last, so that nothing written by a predecessor comes after it is read; a store that is away is not waited for.
    await using state = await options.state.begin(term);
    phaseEnded('fence');
    await runPodController({
      zone,
      nodeName: identity.nodeName,
      term: working,
      owner,
      informer: pods,
      client,
      writes,
      provider,
      state,
      events,
      services: options.services,
      allocatable: () => options.nodes.get(identity.nodeName)?.status?.allocatable ?? {},
      queue: createWorkQueue({
        name: `pods-${zone}`,
        clock,
        random: options.random,
        metrics: metrics.queue,
        log,
      }),
      clock,
      random: options.random,
      metrics: metrics.pods,
      log,
      hostIP: options.kubelet.address,
      onPhase: phaseEnded,
      nodeReadiness: departure,
      node: () => options.nodes.get(identity.nodeName),
      ...(options.hostPolicy === undefined ? {} : { hostPolicy: options.hostPolicy }),
    });
  };
  try {
    await work();
  } finally {
    office.abort();
    await Promise.all([keeping, departing, answering, accepting]);
    tellEnd(term, self, (type, reason, message) => events.record(eventNode, type, reason, message));
  }
  const request = await accepting;
  if (request === undefined || !(await removeZone(removal, request))) return;
  await options.state.clear(term);
  options.campaign.withdraw();
}

/** Why the term is over, as the term itself says. */
function tellEnd(
  { signal, ending }: Term,
  leader: string,
  record: (type: 'Normal' | 'Warning', reason: string, message: string) => void,
): void {
  if (signal.aborted) record('Warning', 'LeaderLost', `${leader}: ${messageOf(signal.reason)}.`);
  else if (ending.aborted) record('Normal', 'LeaderLeaves', `${leader}: ${messageOf(ending.reason)}.`);
}

/** Raises the backend's fence, for as long as it takes and the term lasts; false when the term is over. */
async function claimBackend(
  { clock }: ZoneOptions,
  mutations: TermProvider,
  term: Term,
  log: Logger,
): Promise<boolean> {
  const over = AbortSignal.any([term.signal, term.ending]);
  for (let attempt = 1; !over.aborted; attempt++) {
    try {
      await mutations.claim({ signal: over, attempt });
      return true;
    } catch (error) {
      if (over.aborted || hasCode(error, 'Fenced')) return false;
      log.warn(
        { attempt, error: messageOf(error) },
        'the backend did not take this epoch; nothing is done there meanwhile',
      );
      await sleep(clock, Math.min(CLAIM_RETRY_MS * attempt, CLAIM_RETRY_MAX_MS), over);
    }
  }
  return false;
}
