/** Virtual Kubelet's own end-to-end suite, unmodified, on the virtual node of each zone, on a real control plane. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { lastLines, startChild } from '../../src/commands/demo/child.ts';
import { freePorts } from '../../src/commands/demo/free-ports.ts';
import { waitFor } from '../../src/commands/demo/wait-for.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { connect } from '../../src/kube/connect.ts';
import { NODES, PODS } from '../../src/kube/resources.ts';
import { type ControlPlane, startControlPlane } from '../kubernetes/control-plane.ts';
import { createKubeletDoor } from './virtual-kubelet/kubelet-door.ts';
import { HOW_TO_GET_IT, SUITE } from './virtual-kubelet/program.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const ZONES = ['zone-a', 'zone-b', 'zone-c'];
const SET = 'interop';
const NAMESPACE = 'default';
const TESTS = 9;

/** An API server proxies to no loopback address. */
const address = Object.values(networkInterfaces())
  .flat()
  .find((each) => each !== undefined && !each.internal && each.family === 'IPv4')?.address;
const isBuilt = existsSync(SUITE);
if (!isBuilt) console.log(`skipped: Virtual Kubelet's suite; ${HOW_TO_GET_IT}`);
if (address === undefined) console.log("skipped: Virtual Kubelet's suite; it needs an address that is not loopback");

test.skipIf(!isBuilt || address === undefined)(
  "Virtual Kubelet's own suite passes on the node of each zone",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'zonelet-interop-'));
    try {
      await using controlPlane = await startControlPlane({ folder: join(folder, 'control-plane') });
      await using replica = await startReplica(folder, controlPlane);
      await using connection = await connect({
        kubeconfig: controlPlane.kubeconfig,
        env: process.env,
        clock: systemClock,
      });
      await using door = await createKubeletDoor(address ?? '', controlPlane.token);
      const { client } = connection;
      for (const zone of ZONES) {
        const node = `${SET}-${zone}`;
        await replica.until(`node ${node} to be Ready`, async () => {
          const { items } = await client.list(NODES);
          const found = items.find(({ metadata }) => metadata?.name === node);
          door.open(found?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0);
          return found?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
        });
        await namesake(client, node);
        const args = ['-test.v', '-kubeconfig', controlPlane.kubeconfig, '-namespace', NAMESPACE, '-node', node];
        const { status, out } = await run(SUITE, args, folder);
        expect(status, out).toBe(0);
        expect(out.match(/^ +--- PASS: /gm), out).toHaveLength(TESTS);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);

/** The suite asks a pod that is called as the node for the node's usage. It runs nowhere. */
async function namesake(client: KubeClient, name: string): Promise<void> {
  await client.create(PODS, {
    metadata: { name, namespace: NAMESPACE },
    spec: { nodeSelector: { nowhere: 'true' }, containers: [{ name: 'kubelet', image: 'none' }] },
  });
  const body = { status: { podIP: address, podIPs: [{ ip: address }] } };
  await client.patch(PODS, { namespace: NAMESPACE, name }, { type: 'merge', body }, { subresource: 'status' });
}

async function startReplica(folder: string, { kubeconfig }: ControlPlane) {
  const [httpPort = 0] = await freePorts(systemRandom, 1);
  const configFile = join(folder, 'zonelet.yaml');
  const config = {
    apiVersion: 'zonelet.dev/v1alpha1',
    kind: 'Zonelet',
    set: SET,
    namespace: NAMESPACE,
    kubeconfig,
    replica: { name: 'replica-0', homeZone: ZONES[0] },
    zones: ZONES.map((name) => ({ name, provider: { kind: 'simulated' } })),
    kubelet: { address, port: 0 },
    http: { port: httpPort },
  };
  await writeFile(configFile, stringify(config));
  const child = startChild({
    name: 'replica-0',
    command: [process.execPath, MAIN, 'run', '--config', configFile],
    env: process.env,
    cwd: folder,
    logFile: join(folder, 'replica-0.log'),
  });
  return {
    until: (what: string, holds: () => Promise<boolean>) =>
      waitFor(
        what,
        async () => {
          if (!child.running) throw new Error(`the replica has ended:\n${lastLines(child, 10)}`);
          return await holds();
        },
        { clock: systemClock, limitMs: 60_000, signal: new AbortController().signal },
      ),
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await child.exited;
    },
  };
}

async function run(program: string, args: readonly string[], cwd: string) {
  const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, status] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { status, out: out + err };
}
