/**
 * A real Kubernetes control plane as child processes on loopback: etcd and kube-apiserver, and where they are asked for
 * kube-controller-manager and kube-scheduler. For contract tests, scenarios and benchmarks; nothing of it is secure.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { systemClock, systemRandom } from '../../src/clock.ts';
import { type Child, lastLines, startChild } from '../../src/commands/demo/child.ts';
import { freePorts } from '../../src/commands/demo/free-ports.ts';
import { waitFor } from '../../src/commands/demo/wait-for.ts';
import { createCertificateAuthority } from '../../src/local-cluster/api-server/server/certificate-authority.ts';
import { API_SERVER, findProgram, HOW_TO_GET, missing, PROGRAMS, type Program } from './binaries.ts';

export interface ControlPlaneOptions {
  /** For certificates, data and logs. */
  readonly folder: string;
  /** Only etcd and kube-apiserver. @defaultValue false */
  readonly apiServerOnly?: boolean;
  /** Further flags of kube-controller-manager, such as a shorter grace period. */
  readonly controllerManagerFlags?: readonly string[];
  /** Further flags of kube-apiserver. */
  readonly apiServerFlags?: readonly string[];
}

export interface ControlPlane extends AsyncDisposable {
  readonly kubeconfig: string;
  /** URL of the API server. */
  readonly server: string;
  /** Token of an administrator, for callers without a kubeconfig. */
  readonly token: string;
  /** PEM. */
  readonly ca: string;
  /** SIGKILL, as a machine that goes away; etcd keeps the data. */
  stopApiServer(): Promise<void>;
  /** Resolves once it answers. */
  startApiServer(): Promise<void>;
}

const TOKEN = 'administrator';
const READY_LIMIT_MS = 120_000;
/** The Deployments of a scenario wait for it: without it pods are refused. */
const SERVICE_ACCOUNT = '/api/v1/namespaces/default/serviceaccounts/default';

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const wanted: readonly Program[] = options.apiServerOnly === true ? API_SERVER : PROGRAMS;
  const absent = missing(wanted);
  if (absent.length > 0) throw new Error(`${absent.join(', ')} not found: ${HOW_TO_GET}`);
  const { folder } = options;
  await mkdir(folder, { recursive: true });
  const file = (name: string): string => join(folder, name);
  const [etcdPort, peerPort, apiPort, managerPort, schedulerPort] = await freePorts(systemRandom, 5);
  const etcd = `http://127.0.0.1:${etcdPort}`;
  const server = `https://127.0.0.1:${apiPort}`;
  const ca = await writeCredentials(file, server);
  const children = new Map<Program, Child>();
  const start = (program: Program, args: readonly string[]): void => {
    const path = findProgram(program) ?? program;
    // Linux ends it with us, however we end; elsewhere it is ended by disposing.
    const dieWithParent = process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--'] : [];
    const command = [...dieWithParent, path, ...args];
    children.set(
      program,
      startChild({ name: program, command, env: process.env, cwd: folder, logFile: file(`${program}.log`) }),
    );
  };
  const agent = new Agent({ connect: { ca } });
  const answers = async (path: string): Promise<boolean> => {
    const { statusCode, body } = await request(`${server}${path}`, {
      dispatcher: agent,
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    await body.dump();
    return statusCode === 200;
  };
  const until = (what: string, path: string): Promise<void> =>
    waitFor(
      what,
      () => {
        for (const child of children.values()) {
          if (!child.running) throw new Error(`${child.name} has ended:\n${lastLines(child, 10)}`);
        }
        return answers(path);
      },
      { clock: systemClock, limitMs: READY_LIMIT_MS, signal: new AbortController().signal },
    );
  const startApiServer = async (): Promise<void> => {
    start('kube-apiserver', [...apiServerFlags(file, etcd, String(apiPort)), ...(options.apiServerFlags ?? [])]);
    await until('the API server', '/readyz');
  };
  const dispose = async (): Promise<void> => {
    for (const child of [...children.values()].reverse()) {
      child.kill('SIGKILL');
      await child.exited;
    }
    await agent.close();
  };

  try {
    const peer = `http://127.0.0.1:${peerPort}`;
    const listening = ['--listen-client-urls', etcd, '--advertise-client-urls', etcd, '--listen-peer-urls', peer];
    const cluster = ['--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`];
    start('etcd', ['--data-dir', file('etcd'), '--unsafe-no-fsync', '--log-level', 'warn', ...listening, ...cluster]);
    await startApiServer();
    if (options.apiServerOnly !== true) {
      const common = ['--kubeconfig', file('kubeconfig'), '--leader-elect=false', '--bind-address', '127.0.0.1'];
      start('kube-controller-manager', [
        ...common,
        ...[
          '--secure-port',
          String(managerPort),
          '--use-service-account-credentials',
          '--root-ca-file',
          file('ca.crt'),
        ],
        ...['--service-account-private-key-file', file('service-accounts.key')],
        ...['--cluster-signing-cert-file', file('ca.crt'), '--cluster-signing-key-file', file('ca.key')],
        ...(options.controllerManagerFlags ?? []),
      ]);
      start('kube-scheduler', [...common, '--secure-port', String(schedulerPort)]);
      await until('the ServiceAccount default', SERVICE_ACCOUNT);
    }
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    kubeconfig: file('kubeconfig'),
    server,
    token: TOKEN,
    ca,
    async stopApiServer() {
      const child = children.get('kube-apiserver');
      child?.kill('SIGKILL');
      await child?.exited;
    },
    startApiServer,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Certificates, keys, the token and a kubeconfig that names them. Returns the CA. */
async function writeCredentials(file: (name: string) => string, server: string): Promise<string> {
  const authority = await createCertificateAuthority(Date.now());
  const serving = await authority.issue({
    commonName: 'kube-apiserver',
    usage: 'server',
    names: ['127.0.0.1', 'localhost', 'kubernetes.default.svc', '10.0.0.1'],
  });
  // What the API server shows to kubelets: without it logs would reach them anonymously.
  const kubeletClient = await authority.issue({
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
    usage: 'client',
  });
  const accounts = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster: { server, 'certificate-authority': file('ca.crt') } }],
    users: [{ name: 'administrator', user: { token: TOKEN } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'administrator' } }],
    'current-context': 'test',
  };
  const files = {
    'ca.crt': authority.certificate,
    'ca.key': authority.key,
    'server.crt': serving.certificate,
    'server.key': serving.key,
    'kubelet-client.crt': kubeletClient.certificate,
    'kubelet-client.key': kubeletClient.key,
    'service-accounts.key': accounts.privateKey,
    'service-accounts.pub': accounts.publicKey,
    'tokens.csv': `${TOKEN},administrator,administrator,system:masters\n`,
    kubeconfig: JSON.stringify(kubeconfig, undefined, 2),
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(file(name), text, { mode: 0o600 })));
  return authority.certificate;
}

function apiServerFlags(file: (name: string) => string, etcd: string, port: string): string[] {
  const flags: Record<string, string> = {
    'etcd-servers': etcd,
    'secure-port': port,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'endpoint-reconciler-type': 'none',
    'tls-cert-file': file('server.crt'),
    'tls-private-key-file': file('server.key'),
    'client-ca-file': file('ca.crt'),
    'token-auth-file': file('tokens.csv'),
    'authorization-mode': 'Node,RBAC',
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-key-file': file('service-accounts.pub'),
    'service-account-signing-key-file': file('service-accounts.key'),
    'service-cluster-ip-range': '10.0.0.0/24',
    'kubelet-client-certificate': file('kubelet-client.crt'),
    'kubelet-client-key': file('kubelet-client.key'),
    'kubelet-preferred-address-types': 'InternalIP,Hostname',
  };
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}
