/** `npm run kubernetes:run`: a real control plane in the foreground, for kubectl, until Ctrl-C. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlPlane } from './control-plane.ts';

if (process.argv.includes('--help')) {
  console.log(`Usage: npm run kubernetes:run

Runs etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback
until Ctrl-C, with all data in a temporary folder that is removed then. It prints
the path of a kubeconfig. "npm run kubernetes:build" must have built them.`);
} else {
  const folder = await mkdtemp(join(tmpdir(), 'zonelet-kubernetes-'));
  try {
    await using controlPlane = await startControlPlane({ folder });
    console.log(`Kubernetes runs at ${controlPlane.server}. For example:

  export KUBECONFIG=${controlPlane.kubeconfig}
  kubectl get nodes
  npm run demo -- --kubeconfig ${controlPlane.kubeconfig}

Ctrl-C ends it and removes ${folder}.`);
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
      // Something has to keep the process alive meanwhile.
      setInterval(() => {}, 60_000);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  process.exit();
}
