/** Holds tenants' usage against their thresholds and puts what was reached into the outbox. */
import { setImmediate } from 'node:timers/promises';
import type { Pool } from '@meterhouse/postgres';
import { enqueueEvents, readSubtrees, type OutgoingEvent, type Watcher } from '@meterhouse/postgres/webhooks';
import { placeOf, type Ceiling } from '@meterhouse/quota';
import type { Logger } from '@meterhouse/runtime';
import type { Billionths } from '@meterhouse/usage';
import type { Span } from '@meterhouse/usage/calendar';
import { LRUCache } from 'lru-cache';
import type { WebhookBounds } from '../bounds.ts';
import { eventKey, outgoing } from '../outgoing.ts';
import {
  isReached,
  limitedMetrics,
  thresholdEvent,
  thresholdIdentity,
  thresholdsFor,
  type ThresholdPolicy,
} from './crossings.ts';

export interface NoticingParts {
  /** As role meterhouse_webhooks. */
  readonly pool: Pool;
  readonly policy: ThresholdPolicy & { readonly version: bigint };
  readonly bounds: Pick<WebhookBounds, 'maxWaiting'>;
  /** Epoch ms. */
  readonly now: () => number;
  readonly newId: () => string;
  readonly logger: Logger;
}

/** How usage is looked at this time. */
interface Look {
  /** All below those who watch where it is left out. */
  readonly tenants?: Pick<ReadonlySet<string>, 'has'>;
  /** Limits in force then, of the first tenant of the lineage. */
  ceilings(lineage: readonly string[], metric: string): readonly Ceiling[];
  /**
   * @param root of the ceiling's tenant: periods turn by its calendar
   * @returns null where nothing is known, or where no period of this kind is looked at
   */
  find(ceiling: Ceiling, root: string): Found | null;
}

/** A period that is looked at. */
interface Found {
  readonly span: Span;
  /** Epoch ms. */
  readonly asOf: number;
  readonly final: boolean;
  readonly late: boolean;
  /** Asked only while some threshold is not told; null: nothing was used. */
  used(): Promise<Billionths | null> | Billionths | null;
}

/** Told already, as far as we remember; the outbox's own key is what counts. */
const REMEMBERED = 200_000;
const BATCH = 500;
/** Tenants between two turns of the event loop. */
const TURN = 500;

export class Noticing {
  readonly #parts: NoticingParts;
  readonly #told = new LRUCache<string, true>({ max: REMEMBERED });
  #tenants: { readonly of: string; readonly ids: readonly string[] } = { of: '', ids: [] };

  constructor(parts: NoticingParts) {
    this.#parts = parts;
  }

  /** @returns how many events were new */
  async look(watchers: readonly Watcher[], look: Look): Promise<number> {
    const byTenant = Map.groupBy(watchers, ({ tenantId }) => tenantId);
    const { policy } = this.#parts;
    let batch: OutgoingEvent[] = [];
    let added = 0;
    let seen = 0;
    for (const tenantId of await this.#tenantsOf([...byTenant.keys()])) {
      if (look.tenants?.has(tenantId) === false) continue;
      if (++seen % TURN === 0) await setImmediate();
      const lineage = placeOf(policy, tenantId)?.lineage ?? [];
      const watching = lineage.flatMap((id) => byTenant.get(id) ?? []);
      const root = lineage.at(-1);
      if (watching.length === 0 || root === undefined) continue;
      for (const metric of limitedMetrics(policy, tenantId))
        for (const ceiling of look.ceilings(lineage, metric))
          if (ceiling.scope === tenantId)
            batch.push(...(await this.#reached(ceiling, watching, look.find(ceiling, root))));
      if (batch.length < BATCH) continue;
      added += await this.#enqueue(batch);
      batch = [];
    }
    return added + (await this.#enqueue(batch));
  }

  async #reached(
    ceiling: Ceiling,
    watching: readonly Watcher[],
    found: Found | null,
  ): Promise<OutgoingEvent[]> {
    const { policy, now, newId } = this.#parts;
    if (found === null) return [];
    const { start } = found.span;
    const open = watching.flatMap((watcher) =>
      thresholdsFor(watcher, policy, ceiling)
        .filter((percent) => !this.#told.has(`${watcher.subscriptionId}|${keyOf(ceiling, start, percent)}`))
        .map((percent) => ({ subscriptionId: watcher.subscriptionId, percent })),
    );
    if (open.length === 0) return [];
    const amount = await found.used();
    if (amount === null) return [];
    const unit = policy.metric(ceiling.metric)?.unit ?? '';
    return open
      .filter(({ percent }) => isReached(amount, ceiling, percent))
      .map(({ subscriptionId, percent }) =>
        outgoing(
          newId(),
          subscriptionId,
          thresholdEvent(ceiling, unit, percent, { ...found, amount }, now()),
          thresholdIdentity(ceiling, start, percent),
          // A total never ends: that it was told must not be forgotten.
          { kept: ceiling.period === 'total' },
        ),
      );
  }

  async #enqueue(events: readonly OutgoingEvent[]): Promise<number> {
    if (events.length === 0) return 0;
    const { pool, bounds, logger } = this.#parts;
    const { added, full } = await enqueueEvents(pool, events, bounds.maxWaiting);
    if (full.length > 0)
      logger.warn({ webhooks: full }, 'too much waits: thresholds are told when there is room');
    for (const { subscriptionId, eventKey } of events)
      if (!full.includes(subscriptionId)) this.#told.set(`${subscriptionId}|${eventKey}`, true);
    return added.length;
  }

  /** Read again when the registry has changed, or who watches. */
  async #tenantsOf(roots: readonly string[]): Promise<readonly string[]> {
    const of = JSON.stringify([this.#parts.policy.version.toString(), roots.toSorted()]);
    if (this.#tenants.of !== of)
      this.#tenants = { of, ids: roots.length === 0 ? [] : await readSubtrees(this.#parts.pool, roots) };
    return this.#tenants.ids;
  }
}

function keyOf(ceiling: Ceiling, periodStart: number, percent: number): string {
  return eventKey('usage.threshold_reached', thresholdIdentity(ceiling, periodStart, percent));
}
