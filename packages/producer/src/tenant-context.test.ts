/**
 * Guarantees of the tenant context:
 *  - Inside it, an event takes tenant, correlation id and attribution from it, across awaits, timers and
 *    callbacks; two contexts at once do not mix. What the event gives itself wins.
 *  - Who acts for one tenant is not told in another tenant's events.
 *  - Without a tenant anywhere the event is refused, by the field's name; a bad one in the context too.
 */
import type { UsageEvent } from '@meterhouse/usage';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { createMeter } from './create-meter.ts';
import type { Meter } from './meter.ts';
import { overTransport } from './own-adapter.ts';
import { currentTenant, withTenant } from './tenant-context.ts';

const ann = { type: 'user', id: 'ann', roles: [], scopes: [] };

function meterInto(sent: UsageEvent[]): Meter {
  const transport = {
    send: (events: readonly UsageEvent[]) => {
      sent.push(...events);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    remakes: () => 0,
  };
  const meter = createMeter({ source: 'test', adapter: overTransport(transport) });
  onTestFinished(async () => {
    await meter.close();
  });
  return meter;
}

it('gives an event what it does not give itself', async () => {
  const sent: UsageEvent[] = [];
  const meter = meterInto(sent);
  withTenant({ tenantId: 'acme', principal: ann, correlationId: 'c-1' }, () => {
    meter.add({ metric: 'a' });
    meter.add({ metric: 'b', correlationId: 'own', attribution: { team: 't' } });
    meter.add({ metric: 'c', correlationId: null, attribution: null });
    meter.add({ metric: 'd', tenantId: 'beta' });
  });
  await meter.flush();
  const taken = sent.map(({ metric, tenantId, correlationId, attribution }) => [
    metric,
    tenantId,
    correlationId,
    attribution,
  ]);
  const principal = { principal_type: 'user', principal_id: 'ann' };
  expect(taken).toEqual([
    ['a', 'acme', 'c-1', principal],
    ['b', 'acme', 'own', { team: 't' }],
    ['c', 'acme', null, null],
    ['d', 'beta', 'c-1', null],
  ]);
});

it('holds across awaits and timers, and does not mix', async () => {
  const sent: UsageEvent[] = [];
  const meter = meterInto(sent);
  const work = async (): Promise<void> => {
    await delay(1);
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        meter.add({ metric: 'm', attrs: { expected: currentTenant()?.tenantId ?? '' } });
        resolve();
      });
    });
  };
  await Promise.all(Array.from({ length: 50 }, (_, i) => withTenant({ tenantId: `t-${i}` }, work)));
  await meter.flush();
  expect(sent).toHaveLength(50);
  for (const { tenantId, attrs } of sent) expect(tenantId).toBe(attrs['expected']);
  expect(new Set(sent.map(({ tenantId }) => tenantId)).size).toBe(50);
});

it('inside another takes over what is left out; the lineage only for the same tenant', () => {
  const outer = { tenantId: 'acme-dev', lineage: ['acme', 'acme-dev'], principal: ann, correlationId: 'c-1' };
  withTenant(outer, () => {
    withTenant({ tenantId: 'acme-dev', correlationId: 'c-2' }, () => {
      expect(currentTenant()).toMatchObject({ ...outer, correlationId: 'c-2' });
    });
    withTenant({ tenantId: 'beta' }, () => {
      expect(currentTenant()).toMatchObject({
        tenantId: 'beta',
        lineage: undefined,
        principal: ann,
        correlationId: 'c-1',
      });
    });
    expect(currentTenant()).toMatchObject(outer);
  });
  expect(currentTenant()).toBeUndefined();
});

it('refuses an event without a tenant, and one of a tenant that cannot be', async () => {
  const meter = meterInto([]);
  expect(meter.add({ metric: 'm' })).toBe(false);
  await expect(meter.record({ metric: 'm' })).rejects.toMatchObject({ code: 'refused', field: 'tenantId' });
  await withTenant({ tenantId: 'no tenant' }, async () => {
    await expect(meter.record({ metric: 'm' })).rejects.toMatchObject({ code: 'refused', field: 'tenantId' });
  });
  expect(meter.counters().refused.invalid_event).toBe(3);
});
