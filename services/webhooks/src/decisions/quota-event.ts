/** From a decision to what a subscription is told of it. Pure. */
import type { OutgoingEvent, Watcher } from '@meterhouse/postgres/webhooks';
import { QUOTA_PERIODS, type DecisionRecord } from '@meterhouse/quota';
import { instantText } from '@meterhouse/webhooks';
import { outgoing } from '../outgoing.ts';

/** What a record must have been: what was allowed is no news. */
export type ToldRecord = DecisionRecord & { readonly outcome: 'deny' | 'warn' };

const TYPES = { deny: 'quota.denied', warn: 'quota.warned' } as const;

/**
 * A decision like one that was told in the same window is the same event, so that a tenant that is denied
 * a thousand times a second is told once, and a message that is read again makes nothing new.
 * @param lineage of the decision's tenant, up to its root
 * @returns null where the watcher did not ask for it
 */
export function quotaEvent(
  id: string,
  watcher: Watcher,
  record: ToldRecord,
  lineage: readonly string[],
): OutgoingEvent | null {
  const type = TYPES[record.outcome];
  const { request, reason, at, heard } = record;
  const ceiling = shownCeiling(watcher, record, lineage);
  const metric = record.ceiling?.metric ?? request.usage?.metric ?? null;
  if (!watcher.events.includes(type)) return null;
  if (watcher.metrics !== null && (metric === null || !watcher.metrics.includes(metric))) return null;
  const windowMs = watcher.quietSeconds * 1_000;
  const { tenantId, product, resourceType, action } = request;
  const identity =
    windowMs === 0
      ? [record.id]
      : [
          Math.floor(at / windowMs),
          ...[tenantId, product, resourceType, action, reason],
          ...(ceiling === null ? [] : [ceiling.scope, ceiling.metric, ceiling.period]),
        ];
  return outgoing(
    id,
    watcher.subscriptionId,
    {
      type,
      timestamp: instantText(at),
      data: {
        tenantId,
        decisionId: record.id,
        correlationId: request.correlationId,
        outcome: record.outcome,
        reason,
        enforced: record.enforced,
        product,
        resourceType,
        action,
        ceiling,
        asOf: heard.asOf === null ? null : instantText(heard.asOf),
        quietSeconds: watcher.quietSeconds,
      },
    },
    identity,
  );
}

/** What a tenant above the watcher's own has used is none of its business. */
function shownCeiling({ tenantId }: Watcher, { ceiling }: DecisionRecord, lineage: readonly string[]) {
  const depth = ceiling === null ? -1 : lineage.indexOf(ceiling.scope);
  if (ceiling === null || depth < 0 || depth > lineage.indexOf(tenantId)) return null;
  const period = QUOTA_PERIODS.find((each) => each === ceiling.period);
  if (period === undefined) return null;
  const { scope, metric, value, used, remaining } = ceiling;
  return { scope, metric, period, value, used, remaining };
}
