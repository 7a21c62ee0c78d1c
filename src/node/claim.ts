/**
 * Claiming a zone's Node for a term: the first write of every new leader. It raises the epoch kept there with a
 * precondition, so of two replicas that believe in their term only one gets past this point.
 */
import { type Clock, sleep } from '../clock.ts';
import { epochFloor, mayClaim } from '../election/epoch-floor.ts';
import type { Term } from '../election/term.ts';
import { hasCode, messageOf, ZoneletError } from '../errors.ts';
import type { TermClient } from '../fence/term-client.ts';
import type { KubeClient } from '../kube/client.ts';
import { NODES } from '../kube/resources.ts';
import type { Node } from '../kube/types.ts';
import type { Logger } from '../log.ts';
import { ELECTION_ANNOTATION } from './names.ts';
import { claimPatch, isOurs, type NodeIdentity, newNode } from './node-object.ts';

export interface ClaimOptions {
  readonly identity: NodeIdentity;
  readonly term: Term;
  readonly client: KubeClient;
  readonly writes: TermClient;
  /**
   * Whether a Node may be claimed that says this of its set's election.
   * @defaultValue when that is what `identity` says, or nothing
   */
  readonly mayTakeOver?: (stated: string | undefined, call: Call) => Promise<boolean>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Call {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Retries of what may pass: a conflict with somebody else's write, an API server that does not answer. */
const RETRY_MS = 200;
/** A Node of somebody else stays where it is until a person does something about it. */
const FOREIGN_RETRY_MS = 10_000;

/**
 * Creates or claims the Node and returns it. Throws `Fenced`, and ends the term, when a higher epoch stands there.
 * Never gives up for any other reason while the term lasts; `Aborted` when it is to be wound down meanwhile.
 */
export async function claimNode(options: ClaimOptions): Promise<Node> {
  const { term, clock, log, identity } = options;
  const over = AbortSignal.any([term.signal, term.ending]);
  for (;;) {
    try {
      return await attempt(options);
    } catch (error) {
      if (hasCode(error, 'Fenced') || term.signal.aborted) throw error;
      const foreign = hasCode(error, 'InvalidInput');
      if (!hasCode(error, 'Conflict')) {
        log.warn({ node: identity.nodeName, error: messageOf(error) }, 'the Node was not claimed');
      }
      await sleep(clock, foreign ? FOREIGN_RETRY_MS : RETRY_MS, over);
      if (over.aborted) throw new ZoneletError('Aborted', `Node ${identity.nodeName} was not claimed in this term`);
    }
  }
}

async function attempt(options: ClaimOptions): Promise<Node> {
  const { identity, term, client, writes } = options;
  const claim = { epoch: term.epoch, holder: term.holder };
  const call = { signal: term.signal, timeoutMs: 3_000 };
  const name = identity.nodeName;
  let node: Node;
  try {
    node = await client.get(NODES, { name }, call);
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
    await assertElection(options, undefined, call);
    return await writes.create(NODES, newNode(identity, claim), call);
  }
  if (!isOurs(node, identity)) {
    throw new ZoneletError(
      'InvalidInput',
      `Node ${name} exists and is not of zone ${identity.zone} of set ${identity.set} ` +
        `(its providerID is "${node.spec?.providerID ?? ''}"): give the zone another nodeName, or delete that Node`,
    );
  }
  if (!mayClaim(node, term.epoch, term.holder)) {
    const detail = `Node ${name} was claimed with epoch ${epochFloor(node)}`;
    term.lose('superseded', detail);
    throw new ZoneletError('Fenced', detail);
  }
  // After the Node was read: whoever of another election claims it from here on makes the patch a conflict.
  await assertElection(options, node.metadata?.annotations?.[ELECTION_ANNOTATION], call);
  return await writes.patch(NODES, node, { type: 'merge', body: claimPatch(node, identity, claim) }, call);
}

async function assertElection(options: ClaimOptions, stated: string | undefined, call: Call): Promise<void> {
  const { identity, term } = options;
  const mayTakeOver = options.mayTakeOver ?? (async () => stated === undefined || stated === identity.election);
  if (await mayTakeOver(stated, call)) return;
  const detail = `Node ${identity.nodeName} is of a set that elects by ${stated ?? 'another kind of lock'}, and that lock is held`;
  term.lose('superseded', detail);
  throw new ZoneletError('Fenced', detail);
}
