/** What a day must come to, counted beside the sending of it and independently of every store. */
import { decimalFromStore, formatDecimal, type Billionths, type QuarantineReason } from '@meterhouse/usage';
import type { Sending } from './usage-day.ts';

/** Of distinct events: repetitions are left out. */
export interface MetricTotal {
  events: bigint;
  sum: Billionths;
}

export class DayTotals {
  sent = 0;
  repeated = 0;
  /** Everything distinct that was sent, also what ends in quarantine. */
  readonly byMetric = new Map<string, MetricTotal>();
  /** What is to be counted. */
  readonly countedByMetric = new Map<string, MetricTotal>();
  readonly quarantinedByReason = new Map<QuarantineReason, number>();

  add({ event, fate }: Sending): void {
    this.sent += 1;
    if (fate === 'repeated') {
      this.repeated += 1;
      return;
    }
    const value = decimalFromStore(event.value);
    addTo(this.byMetric, event.metric, value);
    if (fate === 'counted') addTo(this.countedByMetric, event.metric, value);
    else this.quarantinedByReason.set(fate, (this.quarantinedByReason.get(fate) ?? 0) + 1);
  }

  /** As `producer_reports.totals` holds it. */
  report(): Record<string, { events: string; sum: string }> {
    const entries = Array.from(
      this.byMetric,
      ([metric, total]): [string, { events: string; sum: string }] => [
        metric,
        { events: total.events.toString(), sum: formatDecimal(total.sum) },
      ],
    );
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

function addTo(totals: Map<string, MetricTotal>, metric: string, value: Billionths): void {
  const total = totals.get(metric);
  if (total === undefined) totals.set(metric, { events: 1n, sum: value });
  else {
    total.events += 1n;
    total.sum += value;
  }
}
