/** Everything that must hold in every scenario, at once. */
import type { History } from './history.ts';
import {
  claimsNeverFall,
  createdOnce,
  deletedOnlyWhatWasToGo,
  epochsNeverFall,
  type Journals,
  nodesStayReady,
  podsNeverGoBack,
  statusesAreOfTheirTerm,
} from './invariants.ts';
import { type Led, type Outage, zonesAreLed } from './leadership.ts';

export interface Violation {
  /** Which invariant, and in a few words. */
  readonly what: string;
  /** Which pod, node or zone, and what happened to it. */
  readonly evidence: string;
}

export interface Circumstances extends Led {
  /** When the cluster's node controller could not see what nodes say of themselves. */
  readonly blind?: readonly Outage[];
  /** Nodes whose epoch somebody has edited. */
  readonly editedNodes?: readonly string[];
  /** Zones that the scenario itself has taken away, or kept from being led, for a while. */
  readonly withoutLeader?: readonly string[];
  /** Nodes whose zone was to be given up. */
  readonly givenUp?: readonly string[];
}

/** Everything that is wrong by the histories up to now. */
export function violations(journals: Journals, history: History, circumstances: Circumstances): Violation[] {
  const { set, zones, now, blind, editedNodes, withoutLeader = [], givenUp } = circumstances;
  const led = zones.filter(({ name }) => !withoutLeader.includes(name));
  const nodeOf = (zone: string): string => zones.find(({ name }) => name === zone)?.nodeName ?? '';
  const checks = {
    'I1, a stale write was accepted': epochsNeverFall(journals),
    'I1, an epoch on a Node fell': claimsNeverFall(history, editedNodes),
    'I1, a status of a term that was over': statusesAreOfTheirTerm(history),
    'I2, creation': createdOnce(journals, history, nodeOf),
    'I3, a status went back': podsNeverGoBack(history),
    'I4, a delete': deletedOnlyWhatWasToGo(journals, history),
    'I7, a Node did not stay Ready': nodesStayReady(history, set, now, blind, givenUp),
    'I9, a zone was not led': zonesAreLed(history, { ...circumstances, zones: led }),
  };
  return Object.entries(checks).flatMap(([what, wrong]) => wrong.map((evidence) => ({ what, evidence })));
}
