/** A fault proxy of its own for each replica's way to the API server, and to each backend. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { CommonConfiguration } from '../../../src/commands/demo/configuration.ts';
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';

export interface Links extends AsyncDisposable {
  toApiServer(replica: string): FaultProxy;
  toBackend(replica: string, zone: string): FaultProxy;
  /** The replica's configuration, everything led through its proxies. */
  configure(replica: string, common: CommonConfiguration): CommonConfiguration;
}

interface Kubeconfig {
  readonly clusters: { readonly cluster: { server: string } }[];
}

/** Proxies know no names: they are opened beforehand, and lead somewhere once `configure` was called. */
export async function openLinks(folder: string, replicas: number, zones: number): Promise<Links> {
  const unused = await Promise.all(Array.from({ length: replicas * (1 + zones) }, startFaultProxy));
  const all = [...unused];
  const proxies = new Map<string, FaultProxy>();
  const find = (name: string): FaultProxy => {
    const proxy = proxies.get(name);
    if (proxy === undefined) throw new Error(`no proxy leads from ${name}`);
    return proxy;
  };
  /** The URL that leads to the same place through a proxy. */
  const lead = (name: string, url: string): string => {
    const proxy = proxies.get(name) ?? unused.pop();
    if (proxy === undefined) throw new Error(`more ways than replicas and zones were said to need: ${name}`);
    proxies.set(name, proxy);
    const through = new URL(url);
    proxy.target(Number(through.port));
    through.port = String(proxy.port);
    return through.origin;
  };
  return {
    toApiServer: (replica) => find(replica),
    toBackend: (replica, zone) => find(`${replica} to ${zone}`),
    configure(replica, common) {
      const kubeconfig = parse(readFileSync(common.kubeconfig, 'utf8')) as Kubeconfig;
      for (const { cluster } of kubeconfig.clusters) cluster.server = lead(replica, cluster.server);
      const own = join(folder, `${replica}.kubeconfig`);
      writeFileSync(own, stringify(kubeconfig), { mode: 0o600 });
      const zones = common.zones.map(({ provider, ...zone }) => {
        const url = lead(`${replica} to ${zone.name}`, provider.url);
        return { ...zone, provider: { ...provider, url } };
      });
      return { ...common, kubeconfig: own, zones };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((proxy) => proxy[Symbol.asyncDispose]()));
    },
  };
}
