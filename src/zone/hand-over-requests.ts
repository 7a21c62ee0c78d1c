/** The leader's answer to operators who ask it on its Node to give the zone to another replica. */
import { type Clock, sleep } from '../clock.ts';
import { isCutOff } from '../election/backend-sight.ts';
import type { Candidates } from '../election/candidates.ts';
import { decide } from '../election/hand-over-request.ts';
import { parseHolder } from '../election/identity.ts';
import { HANDOVER_OUTCOME_ANNOTATION, HANDOVER_REQUEST_ANNOTATION } from '../election/names.ts';
import { answered, readRequest } from '../election/node-request.ts';
import type { Term } from '../election/term.ts';
import { hasCode, messageOf } from '../errors.ts';
import type { TermClient } from '../fence/term-client.ts';
import type { EventRecorder } from '../kube/event-recorder.ts';
import type { Informer } from '../kube/informer.ts';
import { NODES } from '../kube/resources.ts';
import type { Node } from '../kube/types.ts';
import type { Logger } from '../log.ts';

export interface HandOverRequestsOptions {
  readonly zone: string;
  readonly nodeName: string;
  readonly term: Term;
  readonly writes: TermClient;
  /** Nodes of the set. The caller runs it. */
  readonly nodes: Informer<Node>;
  readonly candidates: Candidates;
  /** Whether home counts where the leader chooses who comes next. */
  readonly preferHome: boolean;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly log: Logger;
}

const RETRY_MS = 200;

/** Answers until the signal aborts. Never throws. */
export async function answerHandOvers(options: HandOverRequestsOptions, signal: AbortSignal): Promise<void> {
  const { nodes, nodeName, clock, log } = options;
  let wake = (): void => {};
  const unsubscribe = nodes.subscribe({
    added: (node) => node.metadata?.name === nodeName && wake(),
    updated: (_, node) => node.metadata?.name === nodeName && wake(),
  });
  try {
    while (!signal.aborted) {
      const woken = new AbortController();
      wake = () => woken.abort();
      const node = nodes.get(nodeName);
      let waitMs = Number.MAX_SAFE_INTEGER;
      if (node?.metadata?.annotations?.[HANDOVER_REQUEST_ANNOTATION] !== undefined) {
        try {
          await answer(options, node, signal);
        } catch (error) {
          if (signal.aborted || hasCode(error, 'Fenced')) return;
          // The cache is behind: what comes next is looked at.
          if (!hasCode(error, 'Conflict'))
            log.warn({ error: messageOf(error) }, 'a request to hand over is not answered');
        }
        waitMs = RETRY_MS;
      }
      await sleep(clock, waitMs, AbortSignal.any([signal, woken.signal]));
    }
  } finally {
    unsubscribe();
  }
}

/** The answer is on the Node before anything is done: a leader that dies of it leaves no request behind. */
async function answer(options: HandOverRequestsOptions, node: Node, signal: AbortSignal): Promise<void> {
  const { zone, term, writes, candidates, events, clock, log } = options;
  const self = parseHolder(term.holder)?.replica ?? term.holder;
  const request = readRequest(node, HANDOVER_REQUEST_ANNOTATION);
  if (request === undefined) return;
  const decision =
    request === 'unreadable'
      ? { refused: 'it is not what "zonelet handover" writes' }
      : decide(request, {
          zone,
          self,
          selfCutOff: isCutOff(candidates.self().backends, zone),
          others: candidates.living(),
          nowMs: clock.now(),
          preferHome: options.preferHome,
        });
  const by = request === 'unreadable' ? 'somebody' : request.by;
  const outcome = request === 'unreadable' ? undefined : { ...request, ...decision, epoch: term.epoch };
  const annotations = answered({ request: HANDOVER_REQUEST_ANNOTATION, outcome: HANDOVER_OUTCOME_ANNOTATION }, outcome);
  const patch = { type: 'merge', body: { metadata: { annotations } } } as const;
  await writes.patch(NODES, node, patch, { signal, timeoutMs: 3_000 });
  const about = { ...node, apiVersion: 'v1', kind: 'Node' };
  if ('refused' in decision) {
    log.warn({ by, reason: decision.refused }, 'a request to hand the zone over is refused');
    events.record(about, 'Warning', 'HandOverRefused', `${by} asked to hand zone ${zone} over: ${decision.refused}.`);
  } else if (decision.to !== self) {
    log.info({ by, to: decision.to }, 'hands the zone over');
    events.record(about, 'Normal', 'HandOver', `${self} hands zone ${zone} over to ${decision.to}, as ${by} asked.`);
    term.handOver(decision.to, `asked for by ${by}`);
  }
}
