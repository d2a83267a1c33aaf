/** Receivers that fail, are gone, or hang. */
import { z } from 'zod';
import type { TrialBed } from '../trial/bed.ts';
import { handedOn, type Fault } from '../trial/fault.ts';

const TENANT = 'tenantId=globex';
const made = z.object({ webhook: z.object({ id: z.string() }) });
const ids = handedOn<Readonly<Record<'gone' | 'slow' | 'fail', readonly string[]>>>('the webhooks');

export const receiversFail: Fault = {
  name: 'receivers fail',
  alerts: [
    'MeterhouseWebhooksFailing',
    'MeterhouseWebhooksDead',
    'MeterhouseWebhooksStopped',
    'MeterhouseWebhooksBehind',
  ],
  broken:
    'real receivers answer 500, 410 or never, to one delivery at a time (WEBHOOK_MAX_PER_ENDPOINT=1, WEBHOOK_TIMEOUT_MS=25000, WEBHOOK_RETRY_SECONDS=1,1)',
  mended: 'the receivers answer 200; PATCH {"enabled": true} to the disabled; POST …/replay of what is dead',
  break: async (bed) => {
    const fail = [
      await subscribe(bed, '/fail'),
      await subscribe(bed, '/fail'),
      await subscribe(bed, '/fail'),
    ];
    const gone = [await subscribe(bed, '/gone')];
    const slow = [await subscribe(bed, '/slow')];
    ids.set({ fail, gone, slow });
    for (const id of [...fail, ...gone]) await ping(bed, id, 1);
    for (const id of slow) await ping(bed, id, 3);
  },
  keepBroken: async (bed) => {
    for (const id of ids.get().fail) await ping(bed, id, 1);
  },
  mend: async (bed) => {
    bed.receiver.mend();
    const { gone, fail, slow } = ids.get();
    for (const id of gone)
      await answered(bed.api('PATCH', `/v1/webhooks/${id}?${TENANT}`, { enabled: true }), 200);
    const day = 86_400_000;
    const span = {
      from: new Date(Date.now() - day).toISOString(),
      to: new Date(Date.now() + day).toISOString(),
    };
    for (const id of [...fail, ...gone, ...slow])
      await answered(bed.api('POST', `/v1/webhooks/${id}/replay?${TENANT}`, span), 202);
  },
  keepMended: async (bed) => {
    // Attempts that arrive, for the share of those that do not.
    for (const id of ids.get().gone) await ping(bed, id, 1);
  },
};

async function subscribe({ api, receiver }: TrialBed, path: string): Promise<string> {
  const body = { tenantId: 'globex', url: `${receiver.url}${path}`, events: ['usage.threshold_reached'] };
  return made.parse(await answered(api('POST', '/v1/webhooks', body), 201)).webhook.id;
}

async function ping({ api }: TrialBed, id: string, times: number): Promise<void> {
  for (let nth = 0; nth < times; nth += 1)
    await answered(api('POST', `/v1/webhooks/${id}/ping?${TENANT}`), 202);
}

async function answered(answer: ReturnType<TrialBed['api']>, status: number): Promise<unknown> {
  const { status: got, body } = await answer;
  if (got !== status) throw new Error(`answered ${got}: ${JSON.stringify(body)}`);
  return body;
}
