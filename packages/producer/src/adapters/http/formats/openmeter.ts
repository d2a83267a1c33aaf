/** The event route of OpenMeter: a batch of CloudEvents, taken or refused whole, told apart by source and id. */
import type { UsageEvent } from '@meterhouse/usage';
import type { SinkFormat } from '../sink-format.ts';

export function openMeterFormat(valueProperty: string): SinkFormat {
  return {
    path: '/api/v1/events',
    contentType: 'application/cloudevents-batch+json',
    gzip: false,
    body: (events) => JSON.stringify(events.map((event) => written(event, valueProperty))),
    outcomes: () => null,
  };
}

/** A value as text, so that it stays exact. */
function written(
  { id, source, tenantId, metric, ts, value, attrs }: UsageEvent,
  valueProperty: string,
): Record<string, unknown> {
  return {
    specversion: '1.0',
    id,
    source,
    type: metric,
    subject: tenantId,
    time: new Date(ts).toISOString(),
    datacontenttype: 'application/json',
    data: { ...attrs, [valueProperty]: value },
  };
}
