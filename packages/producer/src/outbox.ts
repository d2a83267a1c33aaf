/**
 * The transactional outbox: an event is recorded in the caller's own transaction, so it counts if and only
 * if that commits. A relay takes it from there.
 */
import { recordUsage, type QueryableTransaction } from '@meterhouse/postgres/outbox';
import { derivedUuid, eventToJson, type UsageEvent } from '@meterhouse/usage';
import { MeterError } from './errors.ts';
import { createIdSource } from './event-id.ts';
import type { UsageEventInput } from './event-input.ts';
import { isInputRefusal, normalizeEvent } from './normalize.ts';
import { currentTenant } from './tenant-context.ts';

export type { QueryableTransaction } from '@meterhouse/postgres/outbox';

export interface OutboxOptions {
  /** Who sends: the service's name. Stands in every event that names no other. */
  readonly source: string;
  /** Epoch ms; default Date.now. */
  readonly now?: () => number;
  readonly newId?: (nowMs: number) => string;
}

export interface RecordInOptions {
  /**
   * What the event's id follows from where it has none: the same text, tenant and metric give the same id,
   * so that a transaction that is made again counts once. Such as `order-1842`. Give the event its `ts` then:
   * the same id at another time contradicts itself (`id_conflict`).
   */
  readonly derivedFrom?: string;
}

export interface Outbox {
  /**
   * Records an event in a transaction that the caller has begun, and will commit or roll back. It must be
   * the same connection: `pg`'s PoolClient, or anything with its `query(text, values)`.
   * @returns the event's id
   * @throws MeterError `refused` naming the field, before anything is asked of the database; `buffer_full`
   *   where as many of the tenant's lane wait as may. The transaction can go on after either.
   */
  recordIn(
    transaction: QueryableTransaction,
    event: UsageEventInput,
    options?: RecordInOptions,
  ): Promise<{ readonly id: string }>;
}

export function createOutbox(options: OutboxOptions): Outbox {
  const { source, now = Date.now } = options;
  const newId = options.newId ?? createIdSource();
  return {
    recordIn: async (transaction, input, { derivedFrom } = {}) => {
      const outcome = normalizeEvent(input, { source, now, newId, context: currentTenant });
      if (isInputRefusal(outcome))
        throw new MeterError('refused', `${outcome.field}: ${outcome.detail}`, outcome);
      const event =
        derivedFrom === undefined || input.id !== undefined ? outcome : identified(outcome, derivedFrom);
      const recorded = await recordUsage(transaction, event.tenantId, eventToJson(event));
      switch (recorded.outcome) {
        case 'recorded':
          return { id: event.id };
        case 'buffer_full':
          throw new MeterError('buffer_full', `${recorded.waiting} usage events wait in the outbox already`, {
            event,
          });
        case 'out_of_scope':
          throw new MeterError(
            'refused',
            `tenantId: ${event.tenantId} does not lie in the transaction’s scope`,
            {
              reason: 'invalid_event',
              field: 'tenantId',
              event,
            },
          );
      }
    },
  };
}

function identified(event: UsageEvent, derivedFrom: string): UsageEvent {
  return { ...event, id: derivedUuid(`outbox\0${event.tenantId}\0${event.metric}\0${derivedFrom}`) };
}
