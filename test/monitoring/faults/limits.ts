/** Tenants that come to their limits, or too fast. The plan of acme allows 100,000 input tokens a month. */
import { MODEL_CALL } from '../trial/traffic.ts';
import type { TrialBed } from '../trial/bed.ts';
import { handedOn, type Fault } from '../trial/fault.ts';

const METRIC = 'llm.input_tokens';

async function use({ meter }: TrialBed, value: string): Promise<void> {
  await meter.record({ tenantId: 'acme-support', metric: METRIC, value, source: 'gateway' });
}

async function raise({ meterhouse }: TrialBed, value: string): Promise<void> {
  await meterhouse(
    ...['limits', 'override', '--tenant', 'acme', '--metric', METRIC, '--period', 'month', '--value', value],
    ...['--raise', '--privileged', '--reason', 'trial of the alerts', '--by', 'trial'],
  );
}

export const nearLimit: Fault = {
  name: 'near the limit',
  alerts: ['MeterhouseTenantNearLimit'],
  broken: '90,000 of 100,000 input tokens are used',
  mended: 'meterhouse limits override … --value 200000',
  break: (bed) => use(bed, '90000'),
  mend: (bed) => raise(bed, '200000'),
};

export const overLimit: Fault = {
  name: 'over the limit',
  alerts: ['MeterhouseTenantOverLimit', 'MeterhouseQuotaDenials'],
  broken: 'another 120,000 are used, of 200,000; the tenant goes on asking',
  mended: 'meterhouse limits override … --value 900000',
  break: (bed) => use(bed, '120000'),
  keepBroken: async ({ api }) => {
    await api('POST', '/v1/decide/batch', { questions: Array.from({ length: 20 }, () => MODEL_CALL) });
  },
  mend: (bed) => raise(bed, '900000'),
};

const key = handedOn<string>('the key of who comes too fast');

export const tooFast: Fault = {
  name: 'too fast',
  alerts: ['MeterhouseRateLimitedSurge'],
  broken: 'a key asks far more often than it may (API_KEY_REQUESTS_PER_SECOND=20)',
  mended: 'the client keeps to Retry-After',
  break: async (bed) => {
    key.set(await bed.newKey('lumen'));
    await hammer(bed);
  },
  keepBroken: hammer,
  mend: () => Promise.resolve(),
};

async function hammer({ api }: TrialBed): Promise<void> {
  const question = { ...MODEL_CALL, tenantId: 'lumen' };
  await Promise.all(Array.from({ length: 100 }, () => api('POST', '/v1/decide', question, key.get())));
}
