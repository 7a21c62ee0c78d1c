/** Validate: everything that the backend cannot honour is named, and it agrees with the capabilities. */
import { describe, expect, it } from 'vitest';
import type { Container, Pod } from '../../kube/types.ts';
import type { ConformanceHarness } from './harness.ts';
import { onStage } from './stage.ts';

const PROBE = { tcpSocket: { port: 80 } };
const PATH = /^(spec|metadata)([.[].*)?$/;

export function validation(harness: ConformanceHarness): void {
  describe('validate', () => {
    it(
      'accepts a plain pod with the automatic token volume, and does not touch it',
      onStage(harness, async (stage) => {
        const { pod } = stage.pod({ does: 'run' }, withTokenVolume);
        const before = structuredClone(pod);
        expect(stage.provider.validate(pod)).toEqual([]);
        expect(pod).toEqual(before);
      }),
    );

    const cases: readonly {
      readonly what: string;
      readonly path: string;
      readonly offered: (stage: {
        readonly probes: boolean;
        readonly lifecycleHooks: boolean;
        readonly volumes: readonly string[];
      }) => boolean;
      readonly change: (pod: Pod) => Pod;
    }[] = [
      {
        what: 'a readiness probe',
        path: 'spec.containers[0].readinessProbe',
        offered: ({ probes }) => probes,
        change: (pod) => inMain(pod, { readinessProbe: PROBE }),
      },
      {
        what: 'a liveness probe',
        path: 'spec.containers[0].livenessProbe',
        offered: ({ probes }) => probes,
        change: (pod) => inMain(pod, { livenessProbe: PROBE }),
      },
      {
        what: 'a hook',
        path: 'spec.containers[0].lifecycle',
        offered: ({ lifecycleHooks }) => lifecycleHooks,
        change: (pod) =>
          inMain(pod, {
            lifecycle: { preStop: { exec: { command: ['true'] } } },
          }),
      },
      {
        what: 'a hostPath volume',
        path: 'spec.volumes[0].hostPath',
        offered: ({ volumes }) => volumes.includes('hostPath'),
        change: (pod) => ({
          ...pod,
          spec: {
            containers: [],
            ...pod.spec,
            volumes: [{ name: 'v', hostPath: { path: '/' } }],
          },
        }),
      },
      {
        what: 'a claimed volume',
        path: 'spec.volumes[0].persistentVolumeClaim',
        offered: ({ volumes }) => volumes.includes('persistentVolumeClaim'),
        change: (pod) => ({
          ...pod,
          spec: {
            containers: [],
            ...pod.spec,
            volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }],
          },
        }),
      },
    ];
    for (const { what, path, offered, change } of cases) {
      it(
        `names ${what} unless it is offered`,
        onStage(harness, async (stage) => {
          const { pod } = stage.pod({ does: 'run' }, change);
          const found = stage.provider.validate(pod);
          for (const problem of found) {
            expect(problem.path).toMatch(PATH);
            expect(problem.reason).not.toBe('');
          }
          const paths = found.map((problem) => problem.path);
          if (offered(stage.provider.capabilities)) expect(paths).not.toContain(path);
          else expect(paths).toContain(path);
        }),
      );
    }
  });
}

function inMain(pod: Pod, more: Partial<Container>): Pod {
  const containers = (pod.spec?.containers ?? []).map((container) => ({
    ...container,
    ...more,
  }));
  return { ...pod, spec: { ...pod.spec, containers } };
}

/** As ServiceAccount admission adds it to every ordinary pod. */
function withTokenVolume(pod: Pod): Pod {
  const name = 'kube-api-access-x7k2p';
  const mounted = inMain(pod, {
    volumeMounts: [
      {
        name,
        mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
        readOnly: true,
      },
    ],
  });
  const token = {
    serviceAccountToken: { expirationSeconds: 3607, path: 'token' },
  };
  return {
    ...mounted,
    spec: {
      containers: [],
      ...mounted.spec,
      volumes: [{ name, projected: { defaultMode: 420, sources: [token] } }],
    },
  };
}
