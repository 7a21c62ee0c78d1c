/** `zonelet fence-policy`: the manifests of the fence inside the API server. */
import { stringify } from 'yaml';
import { systemClock } from '../clock.ts';
import { loadConfig } from '../config/load.ts';
import { admissionPolicy } from '../fence/admission-policy.ts';
import type { KubeClient } from '../kube/client.ts';
import { SELF_SUBJECT_REVIEWS } from '../kube/resources.ts';
import { createLogger } from '../log.ts';
import { loadProvider } from '../provider/loading.ts';
import { defineCommand } from './command.ts';
import { openConnection } from './connection.ts';
import { UsageError } from './usage-error.ts';

const SERVICE_ACCOUNT = 'system:serviceaccount:';

export const fencePolicy = defineCommand({
  name: 'fence-policy',
  summary: 'Print the policy with which the API server refuses what comes too late.',
  description: `Prints a ValidatingAdmissionPolicy, and a binding of it for each zone, for kubectl to apply. With it the API server itself compares epochs: a pod's or a Node's status that a replica sent while it led and that arrives after another one has taken the zone over is reported (fence.admissionPolicy: warn) or refused (enforce). Writes of anybody but the replicas are not looked at.

Set fence.admissionPolicy in the configuration of every replica first and restart them: a status without an epoch is refused. Kubernetes 1.30 or newer.

The same output takes it away again, with kubectl delete.`,
  options: {
    config: {
      type: 'string',
      short: 'c',
      value: 'FILE',
      required: true,
      description: 'The configuration file (YAML) of the set.',
    },
    user: {
      type: 'string',
      value: 'NAME',
      description:
        "Under which name the API server knows the replicas, such as system:serviceaccount:NAMESPACE:NAME. Default: the ServiceAccount that this command itself runs with, which in a replica's pod is the right one.",
    },
  },
  examples: [
    {
      what: 'Install it, from anywhere.',
      command: 'zonelet fence-policy -c zonelet.yaml --user system:serviceaccount:zonelet:zonelet | kubectl apply -f -',
    },
    {
      what: "Print it, in a replica's pod.",
      command: 'zonelet fence-policy --config /etc/zonelet/zonelet.yaml',
    },
  ],
  exitStatuses: {
    0: 'It was printed.',
    1: 'The API server did not say which user this is; stderr says why.',
    2: 'The command line, the configuration or the kubeconfig is wrong, or it asks for no policy.',
  },
  async run({ cwd, env, hostname, stdout }, { options }) {
    const config = await loadConfig({
      file: options.config,
      cwd,
      // As for `status`: the references of the file are those of a replica.
      env: { POD_NAME: 'fence-policy', POD_UID: '', ...env },
      hostname,
      checkProvider: loadProvider,
    });
    const action = config.fence.admissionPolicy;
    if (action === 'off') {
      throw new UsageError(`${options.config}: fence.admissionPolicy is off: set it to warn or enforce in the file`);
    }
    const user = options.user ?? (await ownUser(config.kubeconfig, env));
    const manifests = admissionPolicy({ set: config.set, zones: config.zones, user, action });
    stdout.write(manifests.map((manifest) => stringify(manifest, { lineWidth: 0 })).join('---\n'));
    return 0;
  },
});

/** Whoever installs a policy is rarely the replicas: only a ServiceAccount is believed to be theirs. */
async function ownUser(
  kubeconfig: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  await using access = await openConnection({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    env,
    clock: systemClock,
    log: createLogger({ level: 'warn', format: 'text' }),
  });
  const user = await askUser(access.client);
  if (!user.startsWith(SERVICE_ACCOUNT)) {
    throw new UsageError(
      `the API server knows this user as "${user}", which is no ServiceAccount: say with --user which one the replicas are`,
    );
  }
  return user;
}

async function askUser(client: KubeClient): Promise<string> {
  const review = await client.create(SELF_SUBJECT_REVIEWS, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'SelfSubjectReview',
  });
  return review.status?.userInfo?.username ?? '';
}
