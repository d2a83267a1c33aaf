/** A database of its own with tenants and metrics, filled by the real flush; for tests of reading usage. */
import { freshDatabase, sharedStack } from '@meterhouse/dev-stack/testing';
import { HOUR_MS, hourOf, type UsageEvent } from '@meterhouse/usage';
import { anEvent } from '@meterhouse/usage/testing';
import { flushNext, SOURCE } from '../flush/testing.ts';
import { dedupPeriod, ensurePeriods } from '../flush/index.ts';
import { migratePostgres } from '../migrations.ts';
import { createPool, type Pool } from '../pool.ts';
import { changeRegistry } from '../registry-apply.ts';

/** The topic that the events are counted from. */
export { SOURCE };

export interface UsageBed {
  readonly url: string;
  /** With the rights of the database's owner. */
  readonly owner: Pool;
  /** Writes documents into the registry as they are. */
  register(
    documents: readonly {
      readonly kind: string;
      readonly body: { readonly id: string } | { readonly name: string };
    }[],
  ): Promise<void>;
  /** Counts events as one flush; the broker got them in the hour of the last of them unless said. */
  count(
    events: readonly CountableEvent[],
    options?: { readonly partition?: number; readonly receivedAt?: number; readonly processedThrough?: Date },
  ): Promise<void>;
}

export type CountableEvent = Pick<UsageEvent, 'tenantId' | 'metric'> & Partial<UsageEvent>;

/** Everything is closed by `onEnd`. */
export async function usageBed(onEnd: (end: () => Promise<void>) => unknown): Promise<UsageBed> {
  const url = await freshDatabase(await sharedStack());
  await migratePostgres(url);
  const owner = createPool({ url, applicationName: 'test' });
  const worker = createPool({ url, role: 'meterhouse_aggregator', applicationName: 'worker' });
  onEnd(async () => {
    await worker.end();
    await owner.end();
  });
  return {
    url,
    owner,
    register: async (documents) => {
      const changes = documents.map(({ kind, body }) => ({
        kind,
        id: 'id' in body ? body.id : body.name,
        before: null,
        after: body,
        privileged: false,
      }));
      await changeRegistry(owner, () => ({ changes }), {
        author: { by: 'test', why: 'test' },
        dryRun: false,
      });
    },
    count: async (given, options = {}) => {
      const events = given.map((event) => anEvent(event, event));
      for (const period of new Set(events.map(({ ts }) => dedupPeriod(ts))))
        await ensurePeriods(owner, period, period);
      const last = Math.max(...events.map(({ ts }) => ts));
      await flushNext(
        worker,
        events.map((event) => ({ event })),
        { receivedAt: hourOf(last) + HOUR_MS - 1, ...options },
      );
    },
  };
}
