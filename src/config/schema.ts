/**
 * The configuration file as a schema: what each key means, its unit, its default and the reason for it. The JSON Schema
 * for editors, the table in the README and the messages about mistakes are all made from this one place.
 *
 * Convention: the message of every check says what is allowed, in words that complete "allowed: ...".
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { QUANTITY_SYNTAX, readQuantity } from '../quantity.ts';
import { parseRedisUrl, REDIS_URL } from '../redis/address.ts';
import { DNS_LABEL, DNS_SUBDOMAIN, DURATION, LABEL_VALUE, NODE_NAME, QUALIFIED_NAME, type Syntax } from './syntax.ts';

export const API_VERSION = 'zonelet.dev/v1alpha1';
export const KIND = 'Zonelet';

const A_MAP = 'a map';
const A_PORT = 'a port: a whole number from 0 to 65535';
const QUANTITIES = `${QUANTITY_SYNTAX}, not negative`;

function text({ pattern, maxLength, allowed }: Syntax) {
  return z.string({ error: allowed }).max(maxLength, { error: allowed }).regex(pattern, { error: allowed });
}

function oneOf<const T extends readonly [string, ...string[]]>(...values: T) {
  return z.enum(values, { error: values.length === 1 ? `"${values[0]}"` : `one of ${values.join(', ')}` });
}

const duration = () => text(DURATION);
const port = () => z.int({ error: A_PORT }).min(0, { error: A_PORT }).max(65_535, { error: A_PORT });

const capacity = z
  .record(
    text(QUALIFIED_NAME),
    z
      .union([z.string(), z.number()], { error: QUANTITIES })
      .refine((amount) => (readQuantity(String(amount))?.nanos ?? -1n) >= 0n, { error: QUANTITIES }),
    { error: 'a map of resource names to quantities' },
  )
  .describe(
    'What the virtual node offers, by resource (`cpu`, `memory`, `pods`, extended ones), as Kubernetes quantities. Default: what the provider reports.',
  );

const taint = z.strictObject(
  {
    key: text(QUALIFIED_NAME).describe('Key of the taint.'),
    value: text(LABEL_VALUE).optional().describe('Value of the taint. Default: empty.'),
    effect: oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute').describe(
      'What it does to pods that do not tolerate it.',
    ),
  },
  { error: 'a taint: a map of key, value and effect' },
);

const provider = z
  .looseObject(
    {
      kind: z
        .string({ error: 'the name of a provider' })
        .describe(
          'Which provider: `docker` (Docker engines), `web` (any HTTP service that speaks its protocol), `simulated` (in process, for trials and benchmarks), or the kind of a provider from outside, with `moduleFile` or `package` beside it.',
        ),
    },
    { error: 'a map with kind and the options of that kind' },
  )
  .describe(
    "What runs the zone's pods: `kind` and the options of that kind, which its README in `providers/` lists. A provider from outside is found by `moduleFile` (a JavaScript or TypeScript module) or `package` (an npm package). Options whose names end in `File` or `Dir` are paths, relative to this file.",
  );

const A_FOLDER = 'an absolute path without ".."';
const yesOrNo = (what: string) => z.boolean({ error: 'true or false' }).default(false).describe(what);

const allow = z
  .strictObject(
    {
      hostNetwork: yesOrNo("Pods with `hostNetwork`: the host's own network, unseen by network policies."),
      hostPID: yesOrNo("Pods with `hostPID`: they see the host's processes."),
      hostIPC: yesOrNo("Pods with `hostIPC`: they share the host's memory segments."),
      hostPorts: yesOrNo('Containers with a `hostPort`, which takes a port of the host.'),
      privileged: yesOrNo('Containers that are `privileged`, or Windows host processes: they are root on the host.'),
      hostPaths: z
        .array(
          z
            .string({ error: A_FOLDER })
            .refine((path) => path.startsWith('/') && !path.split('/').includes('..'), { error: A_FOLDER }),
          { error: 'a list of folders' },
        )
        .default([])
        .describe('Folders of the host that `hostPath` volumes may mount, with all that is in them.'),
    },
    { error: A_MAP },
  )
  .describe(
    'What pods may have of the hosts behind the backend; the provider has to offer it too. Nothing by default, because a virtual node gets pods of everybody, also DaemonSets that tolerate every taint. A pod that asks for more stays Pending and says which fields.',
  );

const zone = z.strictObject(
  {
    name: text(DNS_LABEL).describe('Name of the zone, unique in the set: the label `topology.kubernetes.io/zone`.'),
    region: text({
      ...LABEL_VALUE,
      pattern: /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/,
      allowed: LABEL_VALUE.allowed.replace('empty, or ', ''),
    })
      .default('local')
      .describe('Region of the zone: the label `topology.kubernetes.io/region`.'),
    nodeName: text(NODE_NAME)
      .optional()
      .describe('Name of the virtual node, unique in the cluster. Default: `<set>-<zone>`.'),
    provider,
    capacity: capacity.optional(),
    allow: allow.prefault({}),
    labels: z
      .record(text(QUALIFIED_NAME), text(LABEL_VALUE), { error: 'a map of label names to values' })
      .default({})
      .describe('Labels of the virtual node beside those that Zonelet sets itself.'),
    taints: z
      .array(taint, { error: 'a list of taints' })
      .optional()
      .describe(
        'Taints of the virtual node. Default: `virtual-kubelet.io/provider=<kind>:NoSchedule`, so that only pods that ask for it land there.',
      ),
  },
  { error: 'a zone: a map with name, provider and more' },
);

const replica = z
  .strictObject(
    {
      name: text(DNS_SUBDOMAIN)
        .optional()
        .describe("Name of this replica, unique in the set; in a cluster the pod's name. Default: the host name."),
      uid: z
        .string({ error: "text: the pod's UID" })
        .regex(/^[A-Za-z0-9-]{1,64}$/, { error: 'a pod\'s UID: letters, digits and "-", at most 64 characters' })
        .optional()
        .describe("UID of this replica's pod. Default: none; then there is no fast path on proof of its death."),
      container: text(DNS_LABEL)
        .optional()
        .describe(
          "Name of this replica's container, so that the others can read in the pod's status when it has ended. Default: the pod's only one.",
        ),
      homeZone: text(DNS_LABEL)
        .optional()
        .describe(
          'The zone that this replica runs in and prefers to lead. Default: the zone label of the node that it runs on.',
        ),
    },
    { error: A_MAP },
  )
  .describe('This replica; the only part that differs between the replicas of a set.');

const election = z
  .strictObject(
    {
      by: oneOf('lease', 'redis')
        .default('lease')
        .describe(
          'What the leaders are elected with: `lease`, Leases of the Kubernetes API, or `redis`, locks on the servers of `redis.servers`. To change a live set, roll its replicas: a zone changes over when the last replica that elects the old way gives it up. Keep the `redis` section until all are through.',
        ),
      leaseDuration: duration()
        .optional()
        .describe(
          'How long a silent leader is waited for: what a take-over after a crash costs. With `by: lease` whole seconds, because the Lease has no finer field; at least 1 s. Default: 6s, which ride out a slow API server; with `by: redis` 4s.',
        ),
      renewDeadline: duration()
        .optional()
        .describe(
          'How long a leader tries to renew before it gives up: at most `leaseDuration` minus the safety margin (0.5 s or 10 %, the greater), and more than 1.2 times `retryPeriod`. Default: 4s; with `by: redis` 2.5s.',
        ),
      retryPeriod: duration()
        .optional()
        .describe(
          'Time between two renewals, and between two tries of one that failed. At least 100 ms. Default: 1s; with `by: redis` 800ms.',
        ),
      onPeerDeath: oneOf('auto', 'off', 'always')
        .default('auto')
        .describe(
          "Whether a leader's zones are taken at once when its kernel closes its connections to the other replicas and refuses new ones, which is how a process that died looks. Something between the replicas could make a living one look so; a backend that fences then still accepts nothing of it. `auto`: where the zone's backend fences. `always`: everywhere, for networks that are known not to do that. `off`: nowhere, and replicas hold no connections; the lease has to run out.",
        ),
      handBack: oneOf('auto', 'manual', 'never')
        .default('auto')
        .describe(
          'What moves a zone away from a leader that is well. `auto`: the home replica gets it back, and zones without a living home replica are spread evenly. `manual`: only `zonelet handover`; a zone that becomes free still goes to its home replica first. `never`: as `manual`, and once a zone was led home counts for nothing, it goes to whoever leads fewest. Whatever is set, a replica that is draining gives its zones away.',
        ),
      handBackAfter: duration()
        .default('60s')
        .describe(
          'How long a replica must have lived without a gap before a zone is moved to it: one that crashes over and over gets none. At least `leaseDuration`.',
        ),
    },
    { error: A_MAP },
  )
  .describe('How the leader of each zone is elected.');

const A_FILE = 'the path of a file';
const file = () => z.string({ error: A_FILE }).min(1, { error: A_FILE }).optional();
const A_PREFIX = 'letters, digits, "-", "_", "." and ":", at most 64 characters';

const redisUrl = z.string({ error: REDIS_URL }).superRefine((text, context) => {
  const parsed = parseRedisUrl(text);
  if ('problem' in parsed) context.addIssue({ code: 'custom', message: parsed.problem });
});

const redis = z
  .strictObject(
    {
      servers: z
        .array(redisUrl, { error: 'a list of Redis servers' })
        .min(1, { error: 'a list of at least one Redis server' })
        .describe(
          'The Redis servers, `redis://HOST:PORT` or `rediss://HOST:PORT` for TLS, independent of each other. Pod state uses one of them.',
        ),
      keyPrefix: z
        .string({ error: A_PREFIX })
        .regex(/^[A-Za-z0-9._:-]{1,64}$/, { error: A_PREFIX })
        .default('zonelet')
        .describe('What all keys and channels begin with: `<keyPrefix>:{<cluster>/<set>/<zone>}:...`.'),
      username: z
        .string({ error: 'text: the name of an ACL user' })
        .min(1, { error: 'text: the name of an ACL user' })
        .optional()
        .describe("ACL user. Default: Redis' own, `default`."),
      password: z
        .string({ error: 'text' })
        .min(1, { error: 'text' })
        .optional()
        .describe(
          'Password; best a reference to an environment variable, so that it is not in the file. Default: none.',
        ),
      passwordFile: file().describe(
        'Path of a file with the password, relative to this file; read at every connect, so that a rotated one is taken. Default: none.',
      ),
      tls: z
        .strictObject(
          {
            caFile: file().describe('CA certificates that the servers are checked against. Default: those of Node.'),
            certFile: file().describe("This replica's client certificate. Default: none."),
            keyFile: file().describe('The key of that certificate. Default: none.'),
          },
          { error: A_MAP },
        )
        .prefault({})
        .describe('PEM files for `rediss://` servers, relative to this file.'),
    },
    { error: A_MAP },
  )
  .describe('Redis, for what is configured to use it; without it nothing of it is even loaded.');
const fence = z
  .strictObject(
    {
      admissionPolicy: oneOf('off', 'warn', 'enforce')
        .default('off')
        .describe(
          'Whether the API server itself compares epochs, by the policy that `zonelet fence-policy` prints: `warn` tells of a status that comes too late, `enforce` refuses it. Replicas then carry their epoch in every status. `off` needs no rights to install a policy, and costs nothing; `src/fence/README.md` says what is guaranteed then.',
        ),
    },
    { error: A_MAP },
  )
  .describe('What keeps a leader that is one no longer from changing anything.');

const onZoneDown = z
  .strictObject(
    {
      policy: oneOf('hold', 'evict')
        .default('hold')
        .describe(
          '`hold`: the virtual node takes no new pods and says why; pods stay where they are and go on when the backend is back. `evict`: it also says that it is not Ready, so that Kubernetes deletes the pods after their tolerations and their controllers place new ones in other zones. `hold`, because what runs on a backend that cannot be reached may well be running. Needs two zones at least.',
        ),
      after: duration()
        .default('60s')
        .describe(
          'With `evict`: how long a backend has been down before the zone is given up. Longer than a restart of the backend takes; two replicas need about 12 s to agree, so less is not possible.',
        ),
    },
    { error: A_MAP },
  )
  .describe(
    'What happens when two replicas in different zones agree that the backend of a zone is down. Never for a majority of the zones at once.',
  );

const state = z
  .strictObject(
    {
      by: oneOf('kubernetes', 'redis')
        .default('kubernetes')
        .describe(
          'Where the replicas keep what a new leader has to know of the pods beyond what API server and backend tell: `kubernetes`, an annotation that rides on status writes and costs no request, or `redis`, which also knows intents and deleted pods.',
        ),
      redis: redisUrl.optional().describe('The Redis server that keeps it. Default: the first of `redis.servers`.'),
    },
    { error: A_MAP },
  )
  .describe('Shared pod state. Losing it costs a rebuild, never a pod.');

const kubelet = z
  .strictObject(
    {
      address: z
        .string({ error: 'an IP address' })
        .refine((address) => isIP(address) !== 0, { error: 'an IP address' })
        .default('127.0.0.1')
        .describe(
          "What the virtual nodes say as their address, where the API server reaches this replica: in a cluster the pod's IP.",
        ),
      port: port()
        .default(10_250)
        .describe('The first port of the kubelet API: zone i (counted from 0) listens on port + i. 0 picks free ones.'),
      certificate: z
        .strictObject(
          {
            by: oneOf('self-signed', 'files', 'csr')
              .default('self-signed')
              .describe(
                'Where the certificate that the kubelet API serves with comes from. `self-signed`: made by each process; it needs no rights and nobody to approve it, and suffices unless the API server was started with `--kubelet-certificate-authority`. `files`: `certFile` and `keyFile`, read again when they change. `csr`: asked of the cluster for each node (signer `kubernetes.io/kubelet-serving`) and renewed before it runs out; somebody has to approve the requests, until then a self-signed one is served.',
              ),
            certFile: file().describe(
              'PEM file of the certificate and its intermediates, relative to this file; for every zone, so it names the address and all nodes. Only with `by: files`. Default: none.',
            ),
            keyFile: file().describe('The key of that certificate. Default: none.'),
          },
          { error: A_MAP },
        )
        .prefault({})
        .describe('The serving certificate.'),
    },
    { error: A_MAP },
  )
  .describe('The HTTPS API that the API server dials for `kubectl logs`, and metrics-server for `kubectl top`.');

const peers = z
  .strictObject(
    {
      address: z
        .string({ error: 'an IP address' })
        .refine((address) => isIP(address) !== 0, { error: 'an IP address' })
        .optional()
        .describe('Where the other replicas reach this one. Default: `kubelet.address`.'),
      port: port()
        .default(0)
        .describe(
          'Port that the other replicas connect to. 0 picks a free one, which they read on its candidate Lease; a fixed one is for networks that let only certain ports through.',
        ),
    },
    { error: A_MAP },
  )
  .describe(
    'The connections between the replicas, which tell at once when one dies: see `election.onPeerDeath`. TLS 1.3; each side knows the other by the certificate that its candidate Lease names.',
  );

const http = z
  .strictObject(
    {
      port: port()
        .default(9090)
        .describe('Port of `/metrics`, `/healthz`, `/livez` and `/readyz`. 0 picks a free one.'),
    },
    { error: A_MAP },
  )
  .describe('The HTTP server for metrics and health checks.');

const log = z
  .strictObject(
    {
      level: oneOf('debug', 'info', 'warn', 'error')
        .default('info')
        .describe('The least important lines that are written.'),
      format: oneOf('json', 'text')
        .default('json')
        .describe('`json` for machines, one object a line; `text` for people.'),
    },
    { error: A_MAP },
  )
  .describe('What is logged, to stderr.');

export const schema = z
  .strictObject(
    {
      apiVersion: z.literal(API_VERSION, { error: `"${API_VERSION}"` }).describe('Version of this format.'),
      kind: z.literal(KIND, { error: `"${KIND}"` }).describe('What this file is.'),
      set: text(DNS_LABEL).describe('Names the set: its Leases, labels and metrics carry it.'),
      namespace: text(DNS_LABEL)
        .optional()
        .describe("Namespace of the set's Leases. Default: the replica's own namespace, else `default`."),
      kubeconfig: z
        .string({ error: 'the path of a file' })
        .min(1, { error: 'the path of a file' })
        .optional()
        .describe(
          'Path of the kubeconfig, relative to this file. Default: in-cluster, then `$KUBECONFIG`, then `~/.kube/config`.',
        ),
      replica: replica.prefault({}),
      zones: z
        .array(zone, { error: 'a list of zones' })
        .min(1, { error: 'a list of at least one zone' })
        .describe('The availability zones: one virtual node and one backend each.'),
      election: election.prefault({}),
      redis: redis.optional(),
      state: state.prefault({}),
      fence: fence.prefault({}),
      onZoneDown: onZoneDown.prefault({}),
      kubelet: kubelet.prefault({}),
      peers: peers.prefault({}),
      http: http.prefault({}),
      log: log.prefault({}),
    },
    { error: `a map with apiVersion: ${API_VERSION} and kind: ${KIND}` },
  )
  .describe('Configuration of a Zonelet set. Every replica of the set gets the same file.');

/** The file after the schema has filled in its defaults. */
export type ConfigFile = z.output<typeof schema>;
