/** One event against the registry and the window: accepted, or refused with a reason. */
import { parseDecimal, decimalPlaces, formatDecimal, type Billionths } from './decimal.ts';
import { checkShape, type UsageEvent } from './event.ts';
import type { Refusal } from './outcome.ts';
import type { Metric, RegisteredTenant, Registry } from './registry.ts';
import { DAY_MS, HOUR_MS } from './time.ts';

/** How far event time may lie from the instant at which the broker received the event. */
export interface Window {
  readonly backMs: number;
  readonly aheadMs: number;
}

export const DEFAULT_WINDOW: Window = { backMs: 35 * DAY_MS, aheadMs: HOUR_MS };

export interface AcceptedEvent {
  readonly event: UsageEvent;
  readonly tenant: RegisteredTenant;
  readonly metric: Metric;
  readonly value: Billionths;
}

/**
 * The outcome depends on the event, the registry and the broker's clock at receipt, never on when
 * we look: a redelivered event gets the outcome that it got before.
 * @param receivedAt epoch ms at which the broker took the event
 */
export function checkEvent(
  event: UsageEvent,
  registry: Registry,
  window: Window,
  receivedAt: number,
): AcceptedEvent | Refusal {
  const shape = checkShape(event);
  if (shape !== null) return shape;
  const value = parseDecimal(event.value);
  if (typeof value !== 'bigint') return invalidValue(event.value, value);
  const tenant = registry.tenants.get(event.tenantId);
  if (tenant === undefined)
    return refuse('unknown_tenant', 'tenantId', `tenant ${event.tenantId} is not registered`);
  const metric = registry.metrics.get(event.metric);
  if (metric === undefined)
    return refuse('unknown_metric', 'metric', `metric ${event.metric} is not registered`);
  if (event.unit !== null && event.unit !== metric.unit)
    return refuse(
      'wrong_unit',
      'unit',
      `metric ${metric.name} is in ${metric.unit}, the event in ${event.unit}`,
    );
  if (metric.scale < 9 && decimalPlaces(value) > metric.scale)
    return refuse(
      'invalid_value',
      'value',
      `${formatDecimal(value)} has more than the ${metric.scale} decimals of ${metric.name}`,
    );
  if (event.ts < receivedAt - window.backMs)
    return refuse(
      'too_old',
      'ts',
      `event time ${iso(event.ts)} is more than the accepted window before receipt at ${iso(receivedAt)}`,
    );
  if (event.ts > receivedAt + window.aheadMs)
    return refuse(
      'in_the_future',
      'ts',
      `event time ${iso(event.ts)} is more than the accepted window after receipt at ${iso(receivedAt)}`,
    );
  return { event, tenant, metric, value };
}

function invalidValue(text: string, problem: string): Refusal {
  const words =
    problem === 'too_many_decimals'
      ? 'has more than 9 decimals'
      : problem === 'too_large'
        ? 'has more than 29 digits before the point'
        : 'is not a plain decimal';
  return refuse('invalid_value', 'value', `${JSON.stringify(text.slice(0, 80))} ${words}`);
}

function refuse(reason: Refusal['reason'], field: string, detail: string): Refusal {
  return { reason, field, detail };
}

function iso(ts: number): string {
  return new Date(ts).toISOString();
}
