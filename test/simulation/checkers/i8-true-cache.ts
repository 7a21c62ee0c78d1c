/**
 * I8: an informer's cache at resourceVersion r equals a list at r: no gap, no rewind. An informer of its own is watched,
 * behind the first replica's link with all that happens to it: whatever it holds must be what the API server held at one
 * moment, and those moments never go back.
 */
import { Registry } from 'prom-client';
import { createKubeClient } from '../../../src/kube/api-client.ts';
import { createInformer } from '../../../src/kube/informer.ts';
import { PODS } from '../../../src/kube/resources.ts';
import type { Pod } from '../../../src/kube/types.ts';
import { silentLogger } from '../../../src/log.ts';
import { apiMetrics } from '../../../src/metrics/api.ts';
import { createApiTransport } from '../model/api-transport.ts';
import { Process } from '../model/process.ts';
import { dice } from '../model/randomness.ts';
import type { CreateChecker } from './checker.ts';

export const trueCache: CreateChecker = ({ plan, scheduler, history, api, replicas }, report) => {
  const link = replicas[0]?.apiLink;
  if (link === undefined) return {};
  const process = new Process({ name: 'auditor', scheduler, rate: 1 });
  const { clock } = process;
  const transport = createApiTransport({ server: api, link, process, scheduler, history, actor: 'auditor' });
  const informer = createInformer<Pod>({
    client: createKubeClient({ transport, clock }),
    resource: PODS,
    selection: {},
    clock,
    random: dice(plan.seed, 'auditor'),
    metrics: apiMetrics(new Registry()),
    log: silentLogger,
  });
  /** Every change of a pod that the cache may still have to come to. */
  const ahead: { readonly key: string; readonly version: string | undefined }[] = [];
  /** The moment that the cache was last seen to show. */
  const moment = new Map<string, string>();
  let looking = false;

  function shows(): boolean {
    const cached = informer.list();
    return (
      cached.length === moment.size &&
      cached.every(
        ({ metadata }) => moment.get(`${metadata?.namespace}/${metadata?.name}`) === metadata?.resourceVersion,
      )
    );
  }

  function look(): void {
    looking = false;
    while (!shows()) {
      const next = ahead.shift();
      if (next === undefined) {
        report('the cache of pods holds what the API server never held at one moment');
        return;
      }
      if (next.version === undefined) moment.delete(next.key);
      else moment.set(next.key, next.version);
    }
  }

  /** Once all that comes at once has come. */
  function changed(): void {
    if (looking) return;
    looking = true;
    scheduler.after(0, look);
  }

  informer.subscribe({ added: changed, updated: changed, deleted: changed });
  void informer.run(new AbortController().signal);
  return {
    write(write) {
      if (write.collection === 'pods') ahead.push({ key: write.key, version: write.object?.metadata?.resourceVersion });
    },
    atEnd() {
      if (ahead.length > 0 && informer.hasSynced) look();
      const there = [...history.objects('pods')].length;
      if (informer.size !== there) report(`the cache holds ${informer.size} pods at the end, the API server ${there}`);
    },
  };
};
