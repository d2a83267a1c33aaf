import { z } from 'zod';
import type { ServiceEndpoint } from '../connect/endpoints.ts';
import type { Asked, ServiceFacts, ServiceHealth } from './facts.ts';

const trouble = z.object({ part: z.string(), reason: z.string() });
const liveness = z.object({ stuck: z.array(trouble) });
const readiness = z.object({
  parts: z.array(
    z.object({ part: z.string(), ready: z.boolean(), required: z.boolean(), reason: z.string().nullable() }),
  ),
});

export async function askService(
  service: ServiceEndpoint,
  within: <T>(work: () => Promise<T>) => Promise<Asked<T>>,
  deadlineMs: number,
): Promise<ServiceFacts> {
  const health = await within(() => readHealth(service.url, AbortSignal.timeout(deadlineMs)));
  const running = service.pid === null ? null : isRunning(service.pid);
  return { name: service.name, url: service.url, running, health };
}

async function readHealth(url: string, signal: AbortSignal): Promise<ServiceHealth> {
  const base = url.replace(/\/+$/, '');
  const ask = async (path: string): Promise<string> => {
    const answer = await fetch(`${base}${path}`, { signal, redirect: 'error' });
    // 503 says what is wrong, in the same form as 200.
    if (!answer.ok && answer.status !== 503) throw new Error(`${path} answers with ${answer.status}`);
    return answer.text();
  };
  const [healthz, readyz, metrics] = await Promise.all([ask('/healthz'), ask('/readyz'), ask('/metrics')]);
  const { stuck } = liveness.parse(JSON.parse(healthz));
  const { parts } = readiness.parse(JSON.parse(readyz));
  return {
    stuck: stuck.map(({ part, reason }) => `${part}: ${reason}`),
    waiting: parts
      .filter(({ ready }) => !ready)
      .map(({ part, reason, required }) => ({ reason: `${part}: ${reason ?? 'no reason given'}`, required })),
    snapshotAgeSeconds: sampleOf(metrics, 'usage_snapshot_age_seconds'),
  };
}

/** The value of a gauge without labels, in the text format of Prometheus; null where there is none. */
function sampleOf(metrics: string, name: string): number | null {
  const line = metrics.split('\n').find((one) => one.startsWith(`${name} `));
  const value = Number(line?.slice(name.length + 1));
  return Number.isFinite(value) ? value : null;
}

/** Also true of a process that is somebody else's by now: then it does not answer as a service. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
