import type { UsageEvent } from '@meterhouse/usage';

/** What an event's objects cost besides their texts, roughly. */
const FIXED_BYTES = 256;

/** An estimate, for bounding memory and batches; exact sizes are the broker's to judge. */
export function estimateBytes(event: UsageEvent): number {
  return (
    FIXED_BYTES +
    event.id.length +
    event.tenantId.length +
    event.metric.length +
    event.value.length +
    event.source.length +
    (event.unit?.length ?? 0) +
    (event.correlationId?.length ?? 0) +
    mapBytes(event.attrs) +
    (event.attribution === null ? 0 : mapBytes(event.attribution))
  );
}

function mapBytes(map: Readonly<Record<string, string>>): number {
  let bytes = 0;
  for (const [key, text] of Object.entries(map)) bytes += key.length + text.length;
  return bytes;
}

/** The field with the longest content, to point at when an event is too large. */
export function largestField(event: UsageEvent): string {
  const sizes: [field: string, bytes: number][] = [
    ['attrs', mapBytes(event.attrs)],
    ['attribution', event.attribution === null ? 0 : mapBytes(event.attribution)],
    ['id', event.id.length],
    ['tenantId', event.tenantId.length],
    ['metric', event.metric.length],
    ['source', event.source.length],
    ['correlationId', event.correlationId?.length ?? 0],
  ];
  return sizes.reduce((largest, next) => (next[1] > largest[1] ? next : largest))[0];
}
