import { timedOut, unreachable } from '../../../src/redis/errors.ts';
import type { RedisServer } from '../../../src/redis/server.ts';
import type { VirtualClock } from '../../support/virtual-clock.ts';
import type { Link } from './cluster.ts';
import type { ReplicaClock } from './replica-clock.ts';

/** A Redis server as one replica reaches it, with the faults of its link; a replica that is stopped hears nothing. */
export function overLink(server: RedisServer, link: Link, clock: ReplicaClock, shared: VirtualClock): RedisServer {
  return {
    name: server.name,
    get state() {
      return server.state;
    },
    get lastError() {
      return server.lastError;
    },
    eval: (script, keys, args, options = {}) =>
      new Promise((resolve, reject) => {
        const { timeoutMs = 1_000 } = options;
        const timer = clock.setTimer(timeoutMs, () => reject(timedOut(server.name, timeoutMs)));
        const settle = (run: () => void): void =>
          clock.deliver(() => {
            timer.cancel();
            run();
          });
        const { fault } = link;
        if (fault === 'refused') {
          shared.setTimer(1, () => settle(() => reject(unreachable(server.name))));
          return;
        }
        if (fault === 'lost') return;
        shared.setTimer(link.requestMs, () => {
          const answering = server.eval(script, keys, args);
          if (fault === 'deaf') {
            answering.catch(() => {});
            return;
          }
          const back = (run: () => void): void => void shared.setTimer(link.replyMs, () => settle(run));
          answering.then(
            (answer) => back(() => resolve(answer)),
            (error: Error) => back(() => reject(error)),
          );
        });
      }),
    subscribe(channel, subscriber) {
      const heard = (run: () => void): void => {
        if (link.watchSilent || link.fault !== 'none') return;
        shared.setTimer(link.watchMs, () => clock.deliver(run));
      };
      return server.subscribe(channel, {
        message: (said) => heard(() => subscriber.message(said)),
        subscribed: () => heard(() => subscriber.subscribed()),
      });
    },
    onState: (changed) => server.onState(() => clock.deliver(changed)),
  };
}
