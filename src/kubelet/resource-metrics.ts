/**
 * `/metrics/resource` in Prometheus' text form, as the kubelet writes it (pkg/kubelet/metrics/collectors): what
 * metrics-server reads for `kubectl top`. Each sample carries the time at which it was measured.
 */
import type { Summary } from './summary.ts';

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly samples: string[];
}

export const RESOURCE_METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** `undefined`: the usage could not be told, which the metrics say themselves. */
export function resourceMetrics(summary: Summary | undefined): string {
  const family = (name: string, type: Family['type'], help: string): Family => ({ name, type, help, samples: [] });
  const containerCpu = family(
    'container_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the container in core-seconds',
  );
  const containerMemory = family(
    'container_memory_working_set_bytes',
    'gauge',
    '[STABLE] Current working set of the container in bytes',
  );
  const containerStart = family(
    'container_start_time_seconds',
    'gauge',
    '[STABLE] Start time of the container since unix epoch in seconds',
  );
  const nodeCpu = family(
    'node_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the node in core-seconds',
  );
  const nodeMemory = family(
    'node_memory_working_set_bytes',
    'gauge',
    '[STABLE] Current working set of the node in bytes',
  );
  const podCpu = family(
    'pod_cpu_usage_seconds_total',
    'counter',
    '[STABLE] Cumulative cpu time consumed by the pod in core-seconds',
  );
  const podMemory = family('pod_memory_working_set_bytes', 'gauge', '[STABLE] Current working set of the pod in bytes');
  const scrapeError = family(
    'resource_scrape_error',
    'gauge',
    '[STABLE] 1 if there was an error while getting container metrics, 0 otherwise',
  );

  scrapeError.samples.push(sample(scrapeError.name, {}, summary === undefined ? 1 : 0));
  if (summary !== undefined) {
    cpuAndMemory(summary.node, {}, nodeCpu, nodeMemory);
    for (const { podRef, containers, ...pod } of summary.pods) {
      const { name, namespace } = podRef;
      for (const container of containers) {
        // The pod second: so it stands in Virtual Kubelet's metrics too, and its suite goes by the place.
        const labels = { container: container.name, pod: name, namespace };
        cpuAndMemory(container, labels, containerCpu, containerMemory);
        const startMs = container.startTime === null ? 0 : Date.parse(container.startTime);
        if (startMs > 0) containerStart.samples.push(sample(containerStart.name, labels, startMs / 1000));
      }
      cpuAndMemory(pod, { namespace, pod: name }, podCpu, podMemory);
    }
  }
  return [containerCpu, containerMemory, containerStart, nodeCpu, nodeMemory, podCpu, podMemory, scrapeError]
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, help, type, samples }) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.join('')}`)
    .join('');
}

type Labels = Readonly<Record<string, string>>;

function cpuAndMemory(of: Pick<Summary['node'], 'cpu' | 'memory'>, labels: Labels, cpu: Family, memory: Family): void {
  const used = of.cpu?.usageCoreNanoSeconds;
  if (of.cpu !== undefined && used !== undefined) cpu.samples.push(sample(cpu.name, labels, used / 1e9, of.cpu.time));
  const bytes = of.memory?.workingSetBytes;
  if (of.memory !== undefined && bytes !== undefined) {
    memory.samples.push(sample(memory.name, labels, bytes, of.memory.time));
  }
}

function sample(name: string, labels: Labels, value: number, time?: string): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  const set = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
  return `${name}${set} ${value}${time === undefined ? '' : ` ${Date.parse(time)}`}\n`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
