/** What `reconcile` prints for people. */
import type { MirrorComparison } from '@meterhouse/clickhouse';
import { formatDecimal } from '@meterhouse/usage';
import { formatHour, formatInstant } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';
import { UNREADABLE } from './kafka-count.ts';
import type { BucketKey } from './ledger-of-buckets.ts';
import { metricRows, type MetricRow } from './metric-rows.ts';
import type { Reconciliation } from './reconcile.ts';
import type { Total } from './sums.ts';
import { problemsOf, verdictOf, type Problem } from './verdict.ts';

export function renderReconciliation(
  one: Reconciliation,
  mirror: MirrorComparison | null,
  metric: string | null,
  palette: Palette,
): string {
  return [
    renderMetrics(metricRows(one, metric), one, palette),
    renderChecks(one, mirror, palette),
    renderDifferences(one, mirror, palette),
    renderNotes(one, mirror),
    renderVerdict(one, mirror, palette),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

/** One line of a metric: what it is called, and where it is taken from. */
interface Side {
  readonly title: string;
  readonly of: (row: MetricRow) => Total | null;
  /** Left out where nothing is in it. */
  readonly optional?: boolean;
}

const SIDES: readonly Side[] = [
  { title: 'expected', of: (row) => row.expected },
  { title: 'producers, as reported', of: (row) => row.producers },
  { title: 'Kafka, distinct', of: (row) => row.kafka },
  { title: '= Postgres', of: (row) => row.postgres },
  { title: '+ waiting in quarantine', of: (row) => row.waiting, optional: true },
  { title: '+ discarded', of: (row) => row.discarded, optional: true },
];

function renderMetrics(rows: readonly MetricRow[], one: Reconciliation, palette: Palette): string {
  if (rows.length === 0) return 'Kafka holds no usage events, Postgres has counted none\n';
  const table = renderTable(
    [
      { title: 'metric' },
      { title: '' },
      { title: 'events', align: 'right' },
      { title: 'sum', align: 'right' },
    ],
    rows.flatMap(metricLines),
    palette,
  );
  return one.comparable.kind === 'all'
    ? table
    : `${table}${palette.dim('Kafka: only what retention has left')}\n`;
}

function metricLines(row: MetricRow): string[][] {
  const lines: string[][] = [];
  for (const { title, of, optional } of SIDES) {
    const total = of(row);
    if (total === null || (optional === true && total.events === 0n)) continue;
    const name = lines.length === 0 ? row.metric : '';
    lines.push([name, title, withThousands(total.events), withThousands(formatDecimal(total.sum))]);
  }
  return lines;
}

/** A line each for what was compared, with a mark that says how it came out. */
function renderChecks(one: Reconciliation, mirror: MirrorComparison | null, palette: Palette): string {
  const { buckets, kafka } = one;
  const line = (good: boolean, text: string): string =>
    `${good ? palette.good('✓') : palette.bad('✗')} ${text}\n`;
  const lines = [
    line(
      buckets.different === 0,
      `Kafka = Postgres: ${counted(buckets.compared, 'bucket')} compared to the last digit${buckets.atLeast > 0 ? `, ${withThousands(buckets.atLeast)} as far as Kafka still holds them` : ''}, ${withThousands(buckets.different)} different`,
    ),
    line(
      kafka.unaccountedCount === 0n && kafka.orphanCount === 0n,
      `every message counted or in quarantine: ${counted(kafka.messages, 'message')}, ${withThousands(kafka.unaccountedCount)} in neither, ${counted(kafka.orphanCount, 'quarantine row')} without a message`,
    ),
  ];
  if (one.reportDifferences !== null && one.reported.size > 0)
    lines.push(
      line(
        one.reportDifferences.length === 0,
        `producers = Kafka: ${withThousands(one.reportDifferences.length)} different`,
      ),
    );
  if (one.expectedDifferences !== null)
    lines.push(
      line(
        one.expectedDifferences.length === 0,
        `expected = Kafka: ${counted(one.expectedDifferences.length, 'metric')} different`,
      ),
    );
  if (mirror !== null)
    lines.push(
      line(
        mirror.different === 0 && mirror.moving === 0 && !mirror.mirrorBehind,
        `Postgres = ClickHouse: ${counted(mirror.postgresBuckets, 'bucket')} and ${withThousands(mirror.clickhouseBuckets)}, ${withThousands(mirror.different)} different${mirror.mirrorBehind ? ' (the mirror is behind)' : ''}`,
      ),
    );
  return lines.join('');
}

function renderDifferences(one: Reconciliation, mirror: MirrorComparison | null, palette: Palette): string {
  const parts: string[] = [];
  const { buckets, kafka } = one;
  const side = (total: { count: bigint; sum: bigint } | null): string[] =>
    total === null ? ['none', ''] : [withThousands(total.count), withThousands(formatDecimal(total.sum))];
  const sides = (left: string, right: string) => [
    { title: 'tenant' },
    { title: 'metric' },
    { title: 'hour' },
    { title: 'attrs' },
    { title: `${left}: events`, align: 'right' as const },
    { title: 'sum', align: 'right' as const },
    { title: `${right}: events`, align: 'right' as const },
    { title: 'sum', align: 'right' as const },
  ];
  const keyCells = (key: BucketKey): string[] => [
    key.tenantId,
    key.metric,
    formatHour(key.hour),
    key.attrsKey,
  ];
  if (buckets.listed.length > 0)
    parts.push(
      `${palette.bad('Buckets that differ')}${ofMany(buckets.listed.length, buckets.different)}\n`,
      renderTable(
        sides('Kafka', 'Postgres'),
        buckets.listed.map(({ key, kafka: left, postgres }) => [
          ...keyCells(key),
          ...side(left),
          ...side(postgres),
        ]),
        palette,
      ),
    );
  if (kafka.unaccounted.length > 0)
    parts.push(
      `${palette.bad('Messages that are neither counted nor in quarantine')}${ofMany(kafka.unaccounted.length, Number(kafka.unaccountedCount))}: ${kafka.unaccounted.map(({ partition, offset }) => `${partition}/${offset}`).join(', ')}\n`,
    );
  if (kafka.orphans.length > 0)
    parts.push(
      `${palette.bad('Quarantine rows without a message')}${ofMany(kafka.orphans.length, Number(kafka.orphanCount))}: ${kafka.orphans.map(({ id }) => id.toString()).join(', ')}\n`,
    );
  for (const { source, metric, reported, kafka: found } of [
    ...(one.reportDifferences ?? []),
    ...(one.expectedDifferences ?? []),
  ].slice(0, 20))
    parts.push(
      `${palette.bad(source)} ${metric}: says ${counted(reported.events, 'event')}, sum ${withThousands(formatDecimal(reported.sum))}; Kafka holds ${counted(found.events, 'event')}, sum ${withThousands(formatDecimal(found.sum))}\n`,
    );
  if (mirror !== null && mirror.listed.length > 0)
    parts.push(
      `${palette.bad('Buckets of ClickHouse that differ')}${ofMany(mirror.listed.length, mirror.different)}\n`,
      renderTable(
        sides('Postgres', 'ClickHouse'),
        mirror.listed.map(({ key, postgres, clickhouse }) => [
          ...keyCells(key),
          ...side(postgres),
          ...side(clickhouse),
        ]),
        palette,
      ),
    );
  return parts.join('');
}

function ofMany(listed: number, all: number): string {
  return listed < all ? ` (${withThousands(listed)} of ${withThousands(all)})` : '';
}

function renderNotes(one: Reconciliation, mirror: MirrorComparison | null): string {
  const notes: string[] = [];
  const cut = one.stretches.filter(({ from }) => from > 0n);
  if (cut.length > 0) {
    const where = cut.map(({ partition, from }) => `${partition} (from ${withThousands(from)})`).join(', ');
    notes.push(`Kafka no longer holds the beginning of partition ${where}: it was deleted by retention.`);
    notes.push(
      one.comparable.kind === 'from'
        ? `Hours from ${formatHour(one.comparable.hour)} on are compared in full; of earlier ones only that Kafka holds no more than Postgres has counted.`
        : 'No hour can be compared in full; only that Kafka holds no more than Postgres has counted.',
    );
    notes.push('Producers’ totals are not compared: they speak of all that was sent.');
  }
  if (one.buckets.partlyDirect > 0)
    notes.push(
      `${counted(one.buckets.directEvents, 'event')} in ${counted(one.buckets.partlyDirect, 'bucket')} ${one.buckets.directEvents === 1n ? 'was' : 'were'} counted directly and need not be in Kafka: of these buckets the number of events is compared, not the sums.`,
    );
  if (one.buckets.regrouped > 0)
    notes.push(
      `${counted(one.buckets.regrouped, 'hour')} of a tenant and metric ${one.buckets.regrouped === 1 ? 'is' : 'are'} split by other attributes than the registry names today; compared undivided, ${one.buckets.regrouped === 1 ? 'it agrees' : 'they agree'}.`,
    );
  const unreadable = one.kafka.distinct.get(UNREADABLE);
  if (unreadable !== undefined)
    notes.push(
      `${counted(unreadable.events, 'message')} cannot be read, so no metric can be named for ${unreadable.events === 1n ? 'it' : 'them'}.`,
    );
  for (const { partition, fromOffset, toOffset, at, by, because } of one.resumptions)
    notes.push(
      `Partition ${partition} was resumed at ${formatInstant(at.getTime())} by ${by}, from offset ${withThousands(fromOffset)} to ${withThousands(toOffset)}: ${because}`,
    );
  if (one.beyondEnd.length > 0)
    notes.push(
      `The log of partition ${one.beyondEnd.join(', ')} ends below the next offset: the topic was made anew.`,
    );
  if (mirror === null) notes.push('ClickHouse was not compared.');
  return notes.map((note) => `${note}\n`).join('');
}

const PROBLEM_WORDS: Readonly<Record<Problem, string>> = {
  buckets_differ: 'Kafka and Postgres differ',
  messages_unaccounted: 'messages are neither counted nor in quarantine',
  quarantine_without_message: 'quarantine rows have no message',
  producers_differ: 'producers and Kafka differ',
  expected_differs: 'what was expected and Kafka differ',
  log_ends_below_next_offset: 'a log ends below what was counted of it',
  mirror_differs: 'Postgres and ClickHouse differ',
  mirror_behind: 'ClickHouse did not come up with Postgres in time',
  mirror_moving: 'buckets of ClickHouse kept changing while they were compared',
};

function renderVerdict(one: Reconciliation, mirror: MirrorComparison | null, palette: Palette): string {
  const verdict = verdictOf(one, mirror);
  switch (verdict) {
    case 'equal':
      return `${palette.good(palette.bold('EQUAL'))}: nothing lost, nothing counted twice\n`;
    case 'equal_as_far_as_kept':
      return `${palette.good(palette.bold('EQUAL'))} as far as Kafka still holds it\n`;
    case 'different':
      return `${palette.bad(palette.bold('DIFFERENT'))}: ${problemsOf(one, mirror)
        .map((problem) => PROBLEM_WORDS[problem])
        .join('; ')}\n`;
  }
}
