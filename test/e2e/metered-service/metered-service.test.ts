/**
 * Guarantees of examples/metered-service, the same under every adapter, with not one line of it changed:
 *  - Requests are answered, and what they used is counted exactly where the adapter counts; a job that
 *    runs twice counts once. Where it does not count, it says so.
 *  - What the meter was not given (a tenant) is an answer to the one request, and stops nothing.
 *  - Usage is answered exactly with its as-of, as zero that says that nobody counts, or refused by name.
 *  - A denial reaches whoever asked, where the adapter decides; elsewhere everything is allowed.
 *  - Closing leaves nothing behind: accepted = acknowledged.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMeter, type Meter } from '@meterhouse/producer';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { recordNight } from '../../../examples/metered-service/nightly-job.ts';
import { createService } from '../../../examples/metered-service/service.ts';
import type { Bed } from './bed.ts';
import { BEDS } from './beds.ts';

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function serve(
  meter: Meter,
): Promise<(path: string, tenant: string | null, text?: string) => Promise<Answer>> {
  const server = createService(meter, Date.now).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return async (path, tenant, text) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      ...(tenant === null ? {} : { headers: { 'x-tenant': tenant, 'x-user': 'ann' } }),
      ...(text === undefined ? {} : { method: 'POST', body: text }),
    });
    return { status: response.status, body: (await response.json()) as Answer['body'] };
  };
}

/** The request whose quota is used up is let through where nobody decides. */
function expected({ can, before }: Bed): Record<string, string> {
  return {
    ...before,
    't2 bytes': '1200',
    't3 bytes': '34',
    't2 tokens': '60',
    ...(can.check === 'allows' ? { 't3 tokens': '3' } : {}),
  };
}

test.each(Object.entries(BEDS))(
  'the example under the adapter %s',
  { timeout: 240_000 },
  async (name, makeBed) => {
    const folder = await mkdtemp(join(tmpdir(), 'metered-service-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const bed = await makeBed(folder);
    const meter = createMeter({ source: 'summaries', ...bed.configuration });
    onTestFinished(async () => {
      await meter.close();
    });
    expect(await meter.ready()).toMatchObject({
      adapter: bed.configuration.adapter,
      guarantees: { counts: bed.can.count ? 'exactly_once' : 'not_at_all' },
    });
    const ask = await serve(meter);

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => ask('/summaries', 't2', 'Three small words')),
    );
    const nobody = await ask('/summaries', 'no tenant', 'Three small words');
    const usedUp = await ask('/summaries', 't3', 'Three small words');
    expect(usedUp).toMatchObject(
      bed.can.check === 'decides' ? { status: 429, body: { error: 'quota_exhausted' } } : { status: 200 },
    );
    for (const { status, body } of answers)
      expect([status, body]).toEqual([200, { summary: 'Three small words' }]);
    expect(nobody).toMatchObject({ status: 400, body: { error: 'refused' } });

    const night = new Date().toISOString().slice(0, 10);
    const stored = [
      { tenantId: 't2', bytes: 1_200 },
      { tenantId: 't3', bytes: 34 },
    ];
    await recordNight(meter, night, stored);
    await recordNight(meter, night, stored);
    await meter.flush();
    await bed.settled();
    if (name !== 'noop') expect(await bed.counted()).toEqual(expected(bed));

    const hour = Date.parse(`${night}T00:00:00Z`);
    const question = { tenantId: 't1', metric: 'bytes', from: hour, to: hour + 3_600_000, descendants: true };
    switch (bed.can.readUsage) {
      case 'exact': {
        const usage = await waitFor(
          'the answer to be complete',
          async () => {
            const answer = await meter.getUsage(question);
            return answer.asOf.completeThrough === null ? undefined : answer;
          },
          { deadlineMs: 60_000 },
        );
        expect(usage).toMatchObject({ value: '1234', unit: 'byte' });
        break;
      }
      case 'zero':
        expect(await meter.getUsage(question)).toMatchObject({ value: '0', asOf: { origin: 'nothing' } });
        expect((await ask('/usage', 't2')).body).toMatchObject({ tokens: '0', asOf: { origin: 'nothing' } });
        break;
      case 'refuses':
        await expect(meter.getUsage(question)).rejects.toMatchObject({ code: 'unsupported' });
        expect(await ask('/usage', 't2')).toMatchObject({ status: 400, body: { error: 'unsupported' } });
        break;
    }

    const { accepted, acknowledged, failed, buffered, discarded } = await meter.close();
    expect({ failed, buffered }).toEqual({ failed: 0, buffered: 0 });
    expect(acknowledged).toBe(accepted);
    expect(accepted + discarded).toBe(bed.can.check === 'allows' ? 25 : 24);
  },
);
