/** A little of everything, all the time: an alert about shares needs something to be a share of. */
import { isAborted, pause } from '@meterhouse/runtime';
import type { TrialBed } from './bed.ts';

const EVERY_MS = 500;
const MEMBER = { type: 'user', id: 'ann', roles: ['member'] };

export const MODEL_CALL = {
  actor: MEMBER,
  tenantId: 'acme-support',
  product: 'inference',
  resourceType: 'model',
  action: 'call',
  usage: { metric: 'llm.input_tokens', unit: 'token', delta: '1' },
} as const;

export const JOB_LAUNCH = {
  actor: MEMBER,
  tenantId: 'acme-vision',
  product: 'compute',
  resourceType: 'job',
  action: 'launch',
  usage: { metric: 'gpu.hours', unit: 'hour', delta: '0.5' },
} as const;

export interface Traffic {
  stop(): Promise<void>;
}

export function startTraffic(bed: Pick<TrialBed, 'api' | 'meter'>): Traffic {
  const stopping = new AbortController();
  const again = async (work: () => unknown): Promise<void> => {
    while (!isAborted(stopping.signal)) {
      await Promise.resolve(work()).catch(ignoreNoAnswer);
      await pause(EVERY_MS, stopping.signal);
    }
  };
  const done = Promise.all([
    again(() => bed.meter.add({ tenantId: 'globex-routing', metric: 'api.calls', source: 'gateway' })),
    again(() => bed.api('GET', '/v1/usage?tenantId=globex-routing')),
    again(() => bed.api('POST', '/v1/decide', MODEL_CALL)),
  ]);
  return {
    stop: async () => {
      stopping.abort();
      await done;
    },
  };
}

/** The API is killed and frozen on purpose; everything else is a mistake of the trial. */
export function ignoreNoAnswer(error: unknown): void {
  if (error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')) return;
  throw error;
}
