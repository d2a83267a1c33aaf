/** What `quarantine` prints. */
import type { QuarantineCase, QuarantineCount, QuarantinedEvent, ReplayOutcomes } from '@meterhouse/postgres';
import type { UsageEvent } from '@meterhouse/usage';
import { formatInstant } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';

export function eventJson(event: QuarantinedEvent): Readonly<Record<string, Json>> {
  return {
    id: event.id.toString(),
    status: event.status,
    reason: event.reason,
    field: event.field,
    detail: event.detail,
    tenantId: event.tenantId,
    metric: event.metric,
    eventId: event.eventId,
    eventTs: event.eventTs?.toISOString() ?? null,
    value: event.value,
    occurrences: event.occurrences.toString(),
    source: event.source,
    partition: event.partition,
    offset: event.offset.toString(),
    receivedAt: event.receivedAt.toISOString(),
    resolvedAt: event.resolvedAt?.toISOString() ?? null,
  };
}

export function countJson(count: QuarantineCount): Json {
  return {
    reason: count.reason,
    status: count.status,
    events: count.events.toString(),
    occurrences: count.occurrences.toString(),
    oldest: count.oldest.toISOString(),
  };
}

export function renderCounts(counts: readonly QuarantineCount[], palette: Palette): string {
  return renderTable(
    [
      { title: 'reason' },
      { title: 'status' },
      { title: 'events', align: 'right' },
      { title: 'deliveries', align: 'right' },
      { title: 'oldest' },
    ],
    counts.map((count) => [
      count.reason,
      isOpen(count.status) ? palette.warn(count.status) : palette.dim(count.status),
      withThousands(count.events),
      withThousands(count.occurrences),
      formatInstant(count.oldest.getTime()),
    ]),
    palette,
  );
}

/** Still waiting for somebody or something. */
function isOpen(status: QuarantinedEvent['status']): boolean {
  switch (status) {
    case 'waiting':
    case 'replay_requested':
      return true;
    case 'counted':
    case 'duplicate':
    case 'discarded':
      return false;
  }
}

export function renderEvents(events: readonly QuarantinedEvent[], palette: Palette): string {
  return renderTable(
    [
      { title: 'id', align: 'right' },
      { title: 'status' },
      { title: 'reason' },
      { title: 'tenant' },
      { title: 'metric' },
      { title: 'event time' },
      { title: 'what' },
    ],
    events.map((event) => [
      event.id.toString(),
      event.status,
      event.reason,
      short(event.tenantId, 24),
      short(event.metric, 24),
      event.eventTs === null ? '' : formatInstant(event.eventTs.getTime()),
      short(event.detail, 80),
    ]),
    palette,
  );
}

function short(text: string | null, maxLength: number): string {
  const line = text?.replaceAll(/[\r\n]+/g, ' ') ?? '';
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`;
}

/** As far as the raw message can be read: the event, or in words why not. */
export type Decoded = UsageEvent | string;

const SHOWN_BYTES = 512;

export function caseJson({ event, payload, history }: QuarantineCase, decoded: Decoded): Json {
  return {
    ...eventJson(event),
    payload: { sizeBytes: payload.length, hex: payload.toString('hex') },
    decoded: typeof decoded === 'string' ? null : { ...decoded },
    history: history.map(({ at, action, by, reason }) => ({ at: at.toISOString(), action, by, reason })),
  };
}

export function renderCase(
  { event, payload, history }: QuarantineCase,
  decoded: Decoded,
  palette: Palette,
): string {
  const facts: [string, string][] = [
    ['id', event.id.toString()],
    ['status', isOpen(event.status) ? palette.warn(event.status) : event.status],
    ['reason', event.field === null ? event.reason : `${event.reason} (${event.field})`],
    ['what', event.detail],
    ['came at', formatInstant(event.receivedAt.getTime())],
    ['from', `${event.source}, partition ${event.partition}, offset ${withThousands(event.offset)}`],
    ['delivered', counted(event.occurrences, 'time')],
  ];
  if (event.resolvedAt !== null) facts.push(['settled at', formatInstant(event.resolvedAt.getTime())]);
  const lines = renderTable(
    [{ title: '' }, { title: '' }],
    facts.map(([name, value]) => [palette.dim(name), value]),
    palette,
  ).split('\n');
  const shown = payload
    .subarray(0, SHOWN_BYTES)
    .toString('hex')
    .replaceAll(/(.{64})/g, '$1\n');
  return [
    ...lines.slice(1, -1),
    '',
    palette.bold('Event'),
    typeof decoded === 'string' ? decoded : JSON.stringify(decoded, null, 2),
    '',
    palette.bold(`Message, ${counted(payload.length, 'byte')}`),
    shown.trimEnd() + (payload.length > SHOWN_BYTES ? `\n… (--json has all of it)` : ''),
    '',
    palette.bold('History'),
    history.length === 0
      ? 'nobody has done anything with it\n'
      : renderTable(
          [{ title: 'at' }, { title: 'what' }, { title: 'by' }, { title: 'because' }],
          history.map(({ at, action, by, reason }) => [formatInstant(at.getTime()), action, by, reason]),
          palette,
        ),
  ].join('\n');
}

export function outcomesJson(outcomes: ReplayOutcomes): Json {
  return {
    counted: outcomes.counted.toString(),
    duplicate: outcomes.duplicate.toString(),
    stillRefused: outcomes.stillRefused.toString(),
    discarded: outcomes.discarded.toString(),
    pending: outcomes.pending.toString(),
  };
}

export function renderOutcomes(outcomes: ReplayOutcomes, palette: Palette): string {
  const parts = [
    palette.good(`${withThousands(outcomes.counted)} counted`),
    `${withThousands(outcomes.duplicate)} had been counted before`,
    outcomes.stillRefused > 0n
      ? palette.warn(`${withThousands(outcomes.stillRefused)} refused again`)
      : '0 refused again',
  ];
  if (outcomes.discarded > 0n) parts.push(`${withThousands(outcomes.discarded)} discarded meanwhile`);
  if (outcomes.pending > 0n) parts.push(palette.bad(`${withThousands(outcomes.pending)} not done yet`));
  return `${parts.join(', ')}\n`;
}
