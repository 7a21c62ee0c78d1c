/**
 * Deliberate faults in the product's rules. A checker that finds none of them checks nothing. Each names the text that it
 * replaces: where that is gone, the rule has moved and the mutation has to follow it.
 */

export interface Mutation {
  readonly name: string;
  readonly patches: readonly Patch[];
}

export interface Patch {
  /** From the root of the repository. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'the backend does not fence',
    patches: [
      {
        file: 'providers/simulated/backend.ts',
        from: 'if (fence !== undefined && (epoch < fence.epoch ||',
        to: 'if (fence !== undefined && false && (epoch < fence.epoch ||',
      },
    ],
  },
  {
    name: 'the epoch is not raised',
    patches: [
      {
        file: 'src/election/standby.ts',
        from: 'lock.acquire(sighting.record, known + 1,',
        to: 'lock.acquire(sighting.record, Math.max(known, 1),',
      },
    ],
  },
  {
    name: 'a standby does not wait for the whole lease',
    patches: [
      {
        file: 'src/election/eligibility.ts',
        from: 'since + Math.max(record.durationMs, standing.leaseDurationMs)',
        to: 'since + standing.leaseDurationMs / 2',
      },
    ],
  },
  {
    name: 'the right to act is not checked before sending',
    patches: [
      {
        file: 'src/election/term.ts',
        from: 'if (!term.mayAct()) {',
        to: 'if (false) {',
      },
    ],
  },
  {
    name: 'a renewal counts from its reply, however late that is',
    patches: [
      { file: 'src/election/renewal.ts', from: 'held.renewed(sent);', to: 'held.renewed(stamp(clock));' },
      {
        file: 'src/election/contest.ts',
        from: 'return Math.max(1_000, renewDeadlineMs / 2);',
        to: 'return 1.5 * renewDeadlineMs;',
      },
      { file: 'src/election/renewal.ts', from: 'Math.min(callMs, held.renewalLeftMs())', to: 'callMs' },
      { file: 'src/election/office.ts', from: '      if (remainingMs() === 0) return;\n', to: '' },
      {
        file: 'src/election/office.ts',
        from: 'clock.setTimer(Math.max(0, options.renewDeadlineMs - ageOf(sent, clock)),',
        to: 'clock.setTimer(10 * options.renewDeadlineMs,',
      },
    ],
  },
  {
    name: 'the lock is let go before the work has stopped',
    patches: [
      {
        file: 'src/election/campaign.ts',
        from: "      candidates.leave();\n      office?.windDown('released');",
        to: "      candidates.leave();\n      office?.windDown('released');\n      void releaseLock(contest, undefined, undefined);",
      },
      // A leader that winds down learns of its successor by its watch within milliseconds, and stops.
      {
        file: 'src/election/campaign.ts',
        from: '    if (held.over !== undefined) return;\n    if (record === undefined) {',
        to: '    if (held.over !== undefined || held.windingDown !== undefined) return;\n    if (record === undefined) {',
      },
    ],
  },
  {
    name: 'a leader does not make its pod cache fresh',
    patches: [
      {
        file: 'src/pods/controller.ts',
        from: 'if (!(await refreshCache(context)) || intake.signal.aborted) return;',
        to: 'if (intake.signal.aborted) return;',
      },
    ],
  },
  {
    name: 'orphans are removed at first sight, on the word of the cache',
    patches: [
      { file: 'src/pods/orphans.ts', from: 'CONFIRM_MS = 30_000', to: 'CONFIRM_MS = 0' },
      {
        file: 'src/pods/orphans.ts',
        from: 'if (await isInApi(context.client, ref, context.signal)) {',
        to: 'if (false) {',
      },
      {
        file: 'src/pods/controller.ts',
        from: 'if (!(await refreshCache(context)) || intake.signal.aborted) return;',
        to: 'if (intake.signal.aborted) return;',
      },
    ],
  },
  {
    name: 'a status names neither UID nor version',
    patches: [
      {
        file: 'src/fence/term-client.ts',
        from: '...(compared ? { annotations } : {}), uid, resourceVersion };',
        to: '...(compared ? { annotations } : {}) };',
      },
    ],
  },
  {
    name: 'the status of one UID is published for another of its name',
    patches: [
      {
        file: 'src/pods/context.ts',
        from: 'if (cached?.metadata?.uid !== uid) return undefined;',
        to: 'if (cached === undefined) return undefined;',
      },
    ],
  },
  {
    name: 'lists that are not complete are believed',
    patches: [
      { file: 'src/pods/backend-view.ts', from: 'if (!complete) return undefined;', to: '' },
      { file: 'src/pods/orphans.ts', from: 'CONFIRM_MS = 30_000', to: 'CONFIRM_MS = 0' },
      {
        file: 'src/pods/sync.ts',
        from: 'if (!tracked.lost || (await isThereAfterAll(context, tracked))) return;',
        to: 'if (!tracked.lost) return;',
      },
    ],
  },
  {
    name: 'the backend creates again what it has',
    patches: [
      { file: 'providers/simulated/backend.ts', from: 'if (there !== undefined) {', to: 'if (there === null) {' },
    ],
  },
  {
    name: 'a create may bring back what was deleted',
    patches: [{ file: 'providers/simulated/backend.ts', from: 'if (this.#deleted.has(uid))', to: 'if (false)' }],
  },
  {
    name: 'restart counts are not compared',
    patches: [
      {
        file: 'src/pods/tracked-pod.ts',
        from: 'return container.restartCount < before.restartCount;',
        to: 'return false;',
      },
      {
        file: 'src/pods/container-status.ts',
        from: 'Math.max(seen.restartCount, old?.restartCount ?? 0)',
        to: 'seen.restartCount',
      },
    ],
  },
  {
    name: 'a pod is deleted when its leader changes',
    patches: [
      {
        file: 'src/pods/sync.ts',
        from: 'if (pod === undefined) return await removeVanished(context, tracked);',
        to: 'if (pod === undefined || (context.term.epoch > 1 && tracked.observedAt < 5)) return void (await context.mutations.delete(tracked.ref, { gracePeriodSeconds: 0, signal: context.signal }));',
      },
    ],
  },
  {
    name: 'failed work is tried again at once',
    patches: [
      { file: 'src/kube/work-queue.ts', from: 'const LAST_RETRY_MS = 300_000;', to: 'const LAST_RETRY_MS = 1;' },
    ],
  },
  {
    name: 'a node says that it lives too rarely',
    patches: [
      {
        file: 'src/node/heartbeat.ts',
        from: 'export const RENEW_MS = 10_000;',
        to: 'export const RENEW_MS = 100_000;',
      },
    ],
  },
  {
    name: 'a broken watch goes on from now, not from where it broke',
    patches: [
      {
        file: 'src/kube/api-client.ts',
        from: '    resourceVersion,\n    ...(timeoutSeconds',
        to: "    resourceVersion: resourceVersion.endsWith('7') ? String(Number(resourceVersion) + 3) : resourceVersion,\n    ...(timeoutSeconds",
      },
    ],
  },
  {
    name: 'an expired lease is never claimed',
    patches: [
      {
        file: 'src/election/eligibility.ts',
        from: 'return record.released ? since : since + Math.max(record.durationMs, standing.leaseDurationMs);',
        to: 'return record.released ? since : since + 60_000;',
      },
    ],
  },
  {
    name: 'nothing is handed back',
    patches: [{ file: 'src/election/hand-back.ts', from: '>= settings.afterMs', to: '>= 1_000 * settings.afterMs' }],
  },
  {
    name: 'a Secret goes into an Event',
    patches: [
      {
        file: 'src/pods/creation.ts',
        from: '  if (tracked.attempts === 0) tellAll(context, pod, resolved.notes);\n',
        to: "  if (tracked.attempts === 0) tellAll(context, pod, resolved.notes);\n  context.events.record(eventSubject(pod), 'Normal', 'Resolved', JSON.stringify(resolved.pod.env));\n",
      },
    ],
  },
];
