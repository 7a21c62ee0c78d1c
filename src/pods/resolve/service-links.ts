/**
 * The variables that tell containers of Services: `HELLO_SERVICE_HOST`, `HELLO_SERVICE_PORT` and those in the form of
 * Docker's old links (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
 *
 * They come from one cache of all Services for a replica, as in a kubelet: a list for each pod would cost more, and one
 * that is shared would miss the Service that was made just before its pods. Only what the variables need is kept.
 */
import type { Informer } from '../../kube/informer.ts';
import type { Service } from '../../kube/types.ts';

export interface ServiceLinks {
  /** The Services have been read at least once. */
  readonly ready: boolean;
  /**
   * What the containers of a namespace are told: the API server as the Service `kubernetes` of the namespace `default`,
   * always; with `links`, every Service of the namespace that has an address of its own.
   */
  variables(namespace: string, links: boolean): ReadonlyMap<string, string>;
}

const API_SERVER = { namespace: 'default', name: 'kubernetes' };

/** For the cache of Services: what is left of one. */
export function slimService(service: Service): Service {
  const { name, namespace, resourceVersion, uid } = service.metadata ?? {};
  const { clusterIP, ports } = service.spec ?? {};
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: {
      ...(clusterIP === undefined ? {} : { clusterIP }),
      ports: (ports ?? []).map((port) => ({
        port: port.port,
        ...(port.name === undefined ? {} : { name: port.name }),
        ...(port.protocol === undefined ? {} : { protocol: port.protocol }),
      })),
    },
  };
}

export function createServiceLinks(services: Informer<Service>): ServiceLinks {
  const byNamespace = new Map<string, Map<string, Service>>();
  /** Of one namespace with links, until one of its Services changes. */
  const known = new Map<string, ReadonlyMap<string, string>>();
  const changed = (namespace: string): void => {
    if (namespace === API_SERVER.namespace) known.clear();
    else known.delete(namespace);
  };
  const put = (service: Service): void => {
    const { namespace = '', name = '' } = service.metadata ?? {};
    let inside = byNamespace.get(namespace);
    if (inside === undefined) {
      inside = new Map();
      byNamespace.set(namespace, inside);
    }
    inside.set(name, service);
    changed(namespace);
  };
  services.subscribe({
    added: put,
    updated: (_, after) => put(after),
    deleted(last) {
      const { namespace = '', name = '' } = last.metadata ?? {};
      const inside = byNamespace.get(namespace);
      inside?.delete(name);
      if (inside?.size === 0) byNamespace.delete(namespace);
      changed(namespace);
    },
  });
  const apiServer = (): Service | undefined => byNamespace.get(API_SERVER.namespace)?.get(API_SERVER.name);

  return {
    get ready() {
      return services.hasSynced;
    },
    variables(namespace, links) {
      const master = apiServer();
      if (!links) return serviceVariables(master === undefined ? [] : [master]);
      let variables = known.get(namespace);
      if (variables === undefined) {
        // A Service `kubernetes` of the pod's own namespace comes before that of `default`, as in a kubelet.
        const all = new Map<string, Service>(master === undefined ? [] : [[API_SERVER.name, master]]);
        for (const [name, service] of byNamespace.get(namespace) ?? []) if (hasAddress(service)) all.set(name, service);
        variables = serviceVariables([...all.values()]);
        known.set(namespace, variables);
      }
      return variables;
    },
  };
}

/** In the order of the names, so that the same Services give the same environment. */
export function serviceVariables(services: readonly Service[]): ReadonlyMap<string, string> {
  const variables = new Map<string, string>();
  const sorted = services.toSorted((a, b) => compare(a.metadata?.name ?? '', b.metadata?.name ?? ''));
  for (const service of sorted) {
    const ports = service.spec?.ports ?? [];
    const address = service.spec?.clusterIP ?? '';
    const [first] = ports;
    if (!hasAddress(service) || first === undefined) continue;
    const prefix = variableName(service.metadata?.name ?? '');
    variables.set(`${prefix}_SERVICE_HOST`, address);
    variables.set(`${prefix}_SERVICE_PORT`, String(first.port));
    for (const { name, port } of ports) {
      if (name !== undefined && name !== '')
        variables.set(`${prefix}_SERVICE_PORT_${variableName(name)}`, String(port));
    }
    const host = address.includes(':') ? `[${address}]` : address;
    for (const [i, { port, protocol = 'TCP' }] of ports.entries()) {
      const scheme = protocol.toLowerCase();
      const url = `${scheme}://${host}:${port}`;
      if (i === 0) variables.set(`${prefix}_PORT`, url);
      const link = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
      variables.set(link, url);
      variables.set(`${link}_PROTO`, scheme);
      variables.set(`${link}_PORT`, String(port));
      variables.set(`${link}_ADDR`, address);
    }
  }
  return variables;
}

function hasAddress({ spec }: Service): boolean {
  return spec?.clusterIP !== undefined && spec.clusterIP !== '' && spec.clusterIP !== 'None';
}

function variableName(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
