import { afterAll, beforeAll, describe, test } from 'vitest';
import type { DockerOptions } from '../../providers/docker/options.ts';
import { createDockerProvider } from '../../providers/docker/provider.ts';
import { run } from '../../providers/docker/streams.ts';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { silentLogger } from '../../src/log.ts';
import { type PodWish, providerConformance } from '../../src/provider/conformance/suite.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { BUSYBOX, type Dockerd, NETWORK, noDockerd, removeAll, SUITE_IMAGE, startDockerd } from './dockerd.ts';

/** Ends when it is told to, or with the code that is written to `/end`. */
const RUN = "trap 'exit 0' TERM; while [ ! -s /end ]; do sleep 0.1 & wait $!; done; exit $(cat /end)";
const PRINT = String.raw`printf '%s\n' "$@"`;

const missing = noDockerd();
if (missing !== undefined) test.skip(`provider docker on a real daemon: ${missing}`);
else describe('docker', onDaemon);

function onDaemon(): void {
  let dockerd: Dockerd | undefined;
  let zones = 0;
  beforeAll(async () => {
    dockerd = await startDockerd('10.213.1.0/24');
  });
  afterAll(async () => {
    await dockerd?.[Symbol.asyncDispose]();
  });

  providerConformance('docker', {
    async start() {
      if (dockerd === undefined) throw new Error('no daemon');
      const daemon = dockerd;
      const zone = `zone-${++zones}`;
      const proxy = await startFaultProxy();
      proxy.target(daemon.port);
      const options: DockerOptions = {
        engines: [{ name: 'engine', url: `tcp://127.0.0.1:${proxy.port}`, maxPods: 200 }],
        network: NETWORK,
        sandbox: { busyboxFile: BUSYBOX },
        clusterDNS: [],
        clusterDomain: 'cluster.local',
        allow: { capabilities: [], unconfined: false },
      };
      const context = { zone, clock: systemClock, random: systemRandom, log: silentLogger };
      return {
        zone,
        clock: systemClock,
        connect: () => createDockerProvider(options, context),
        pod: (wish) => ({
          spec: {
            restartPolicy: wish.does === 'exit' ? 'Never' : 'Always',
            containers: [{ name: 'main', image: SUITE_IMAGE, imagePullPolicy: 'IfNotPresent', command: command(wish) }],
          },
        }),
        shell: (script) => ({ image: SUITE_IMAGE, command: ['sh', '-c', script] }),
        commands: {
          echo: (line) => ['echo', line],
          exit: (code) => ['sh', '-c', `exit ${code}`],
          cat: ['cat'],
          sleep: ['sleep', '7200'],
        },
        async restart() {
          await daemon.stop();
          await daemon.start();
        },
        // Of what the provider alone sends: its monitor may be the first to kill what it sees to be stopped.
        async loseNextReply() {
          const request = { signal: new AbortController().signal, timeoutMs: 10_000 };
          const running = await daemon.engine.json<unknown[]>({ method: 'GET', path: '/containers/json', ...request });
          proxy.loseNextReply(running.length === 0 ? /^POST \S+_POD\/start / : /^POST \S+\/volumes\/create /);
        },
        hang: (on) => proxy.hang(on),
        unreachable: (on) => proxy.cut(on),
        async exit(_owner, ref, code) {
          const request = { signal: new AbortController().signal, timeoutMs: 10_000 };
          const filters = encodeURIComponent(
            JSON.stringify({
              label: [`zonelet.dev/uid=${ref.uid}`, `zonelet.dev/zone=${zone}`, 'zonelet.dev/container=main'],
            }),
          );
          const path = `/containers/json?filters=${filters}`;
          const [main] = await daemon.engine.json<{ Id: string }[]>({ method: 'GET', path, ...request });
          if (main === undefined) throw new Error('no running container main');
          await run(daemon.engine, main.Id, ['sh', '-c', `echo ${code} >/end`], systemClock, request.signal);
        },
        async [Symbol.asyncDispose]() {
          await proxy[Symbol.asyncDispose]();
          await removeAll(daemon.engine);
        },
      };
    },
  });
}

function command(wish: PodWish): string[] {
  switch (wish.does) {
    case 'run':
      return ['sh', '-c', RUN];
    case 'ignore-stop':
      return ['sh', '-c', 'trap "" TERM; while :; do sleep 0.2; done'];
    case 'exit':
      return ['sh', '-c', `exit ${wish.code}`];
    case 'print':
      return ['sh', '-c', `${PRINT}; ${RUN}`, 'sh', ...wish.lines];
    case 'print-and-crash':
      return ['sh', '-c', `${PRINT}; exit 1`, 'sh', ...wish.lines];
  }
}
