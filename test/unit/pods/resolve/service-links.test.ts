/** By https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables. */
import { describe, expect, test } from 'vitest';
import type { Informer, InformerHandler } from '../../../../src/kube/informer.ts';
import type { Service } from '../../../../src/kube/types.ts';
import { createServiceLinks, serviceVariables, slimService } from '../../../../src/pods/resolve/service-links.ts';

type Ports = NonNullable<NonNullable<Service['spec']>['ports']>;

function service(name: string, clusterIP: string, ports: Ports, namespace = 'shop'): Service {
  return { metadata: { name, namespace, resourceVersion: '1' }, spec: { clusterIP, ports } };
}

/** A cache that is filled by hand. */
function cache() {
  let handler: InformerHandler<Service> = {};
  const informer: Pick<Informer<Service>, 'hasSynced' | 'subscribe'> = {
    hasSynced: true,
    subscribe(given) {
      handler = given;
      return () => {};
    },
  };
  const links = createServiceLinks(informer as Informer<Service>);
  const names = (namespace: string, linked: boolean) => [...links.variables(namespace, linked).keys()];
  return {
    links,
    names,
    put: (one: Service) => handler.added?.(one),
    remove: (one: Service) => handler.deleted?.(one),
  };
}

const API_SERVER = service('kubernetes', '10.0.0.1', [{ name: 'https', port: 443 }], 'default');

describe('the variables of Services', () => {
  test('those of the documentation', () => {
    const found = serviceVariables([service('redis-primary', '10.0.0.11', [{ port: 6379, protocol: 'TCP' }])]);
    expect(Object.fromEntries(found)).toEqual({
      REDIS_PRIMARY_SERVICE_HOST: '10.0.0.11',
      REDIS_PRIMARY_SERVICE_PORT: '6379',
      REDIS_PRIMARY_PORT: 'tcp://10.0.0.11:6379',
      REDIS_PRIMARY_PORT_6379_TCP: 'tcp://10.0.0.11:6379',
      REDIS_PRIMARY_PORT_6379_TCP_PROTO: 'tcp',
      REDIS_PRIMARY_PORT_6379_TCP_PORT: '6379',
      REDIS_PRIMARY_PORT_6379_TCP_ADDR: '10.0.0.11',
    });
  });

  test('named ports have a variable of their own, other protocols and IPv6 their form', () => {
    const ports = [
      { name: 'dns-tcp', port: 53 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ];
    expect(Object.fromEntries(serviceVariables([service('dns', 'fd00::a', ports)]))).toMatchObject({
      DNS_SERVICE_PORT: '53',
      DNS_SERVICE_PORT_DNS_TCP: '53',
      DNS_SERVICE_PORT_DNS: '53',
      DNS_PORT: 'tcp://[fd00::a]:53',
      DNS_PORT_53_UDP: 'udp://[fd00::a]:53',
      DNS_PORT_53_UDP_ADDR: 'fd00::a',
    });
  });

  test('a Service without an address or without ports has none', () => {
    const none = [service('headless', 'None', [{ port: 1 }]), service('name', '', []), service('bare', '10.0.0.2', [])];
    expect(serviceVariables(none).size).toBe(0);
  });
});

describe('whom a pod is told of', () => {
  test('the Services of its namespace and the API server; with enableServiceLinks: false the latter alone', () => {
    const { put, names } = cache();
    put(API_SERVER);
    put(service('web', '10.0.0.9', [{ port: 80 }]));
    put(service('other', '10.0.0.8', [{ port: 80 }], 'elsewhere'));
    const linked = names('shop', true);
    expect(linked).toContain('KUBERNETES_SERVICE_HOST');
    expect(linked).toContain('WEB_SERVICE_HOST');
    expect(linked).not.toContain('OTHER_SERVICE_HOST');
    expect(names('shop', false)).toContain('KUBERNETES_SERVICE_HOST');
    expect(names('shop', false)).not.toContain('WEB_SERVICE_HOST');
    expect(names('empty', true)).toEqual(names('shop', false));
  });

  test('as they are now', () => {
    const { put, remove, links } = cache();
    const host = () => links.variables('shop', true).get('WEB_SERVICE_HOST');
    expect(host()).toBeUndefined();
    put(service('web', '10.0.0.9', [{ port: 80 }]));
    expect(host()).toBe('10.0.0.9');
    put(service('web', '10.0.0.10', [{ port: 80 }]));
    expect(host()).toBe('10.0.0.10');
    put({ ...API_SERVER, spec: { ...API_SERVER.spec, clusterIP: '10.9.9.9' } });
    expect(links.variables('shop', true).get('KUBERNETES_SERVICE_HOST')).toBe('10.9.9.9');
    remove(service('web', '10.0.0.10', [{ port: 80 }]));
    expect(host()).toBeUndefined();
  });

  test('a Service `kubernetes` of its own namespace comes before that of the namespace default', () => {
    const { put, links } = cache();
    put(API_SERVER);
    put(service('kubernetes', '10.1.1.1', [{ port: 1 }]));
    expect(links.variables('shop', true).get('KUBERNETES_SERVICE_HOST')).toBe('10.1.1.1');
    expect(links.variables('shop', false).get('KUBERNETES_SERVICE_HOST')).toBe('10.0.0.1');
  });

  test('of each nothing is kept but what the variables need', () => {
    const whole = { ...API_SERVER, metadata: { ...API_SERVER.metadata, annotations: { a: 'x'.repeat(1000) } } };
    const slim = slimService({ ...whole, status: { loadBalancer: {} } });
    expect(JSON.stringify(slim).length).toBeLessThan(200);
    expect(serviceVariables([slim])).toEqual(serviceVariables([API_SERVER]));
  });
});
