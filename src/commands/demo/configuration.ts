export interface CommonConfiguration {
  readonly kubeconfig: string;
  readonly zones: readonly {
    readonly name: string;
    readonly provider: { readonly kind: string; readonly url: string };
  }[];
  readonly [key: string]: unknown;
}

/** The configuration that every replica of the demo reads; it would serve on any cluster. */
export function configuration(
  set: string,
  namespace: string,
  kubeconfig: string,
  zones: readonly { readonly name: string; readonly port: number }[],
): CommonConfiguration {
  return {
    apiVersion: 'zonelet.dev/v1alpha1',
    kind: 'Zonelet',
    set,
    namespace,
    kubeconfig,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference of the configuration, filled in by each replica
    replica: { uid: '${POD_UID:-}' },
    zones: zones.map(({ name, port }) => ({
      name,
      region: 'local',
      provider: { kind: 'web', url: `http://127.0.0.1:${port}` },
      capacity: { cpu: '64', memory: '256Gi', pods: '5000' },
    })),
    kubelet: { address: '127.0.0.1', port: 10250 },
    http: { port: 9090 },
    log: { level: 'info', format: 'json' },
  };
}
