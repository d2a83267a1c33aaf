/** What `lag` prints. */
import { formatInstant } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';
import { countJson, renderCounts } from '../quarantine/quarantine-text.ts';
import type { LagReport, PartitionLag, TailerReport } from './lag-report.ts';

/** @param kafka null, or why its log ends are not known */
export function lagJson(report: LagReport, kafka: string | null): Readonly<Record<string, Json>> {
  return {
    kafkaError: kafka,
    completeThrough: isoOrNull(report.completeThrough),
    eventsBehind: kafka === null ? report.eventsBehind.toString() : null,
    partitions: report.partitions.map((one) => ({
      partition: one.partition,
      logStart: kafka === null ? one.logStart.toString() : null,
      logEnd: kafka === null ? one.logEnd.toString() : null,
      nextOffset: one.nextOffset?.toString() ?? null,
      eventsBehind: kafka === null ? one.eventsBehind.toString() : null,
      secondsBehind: one.secondsBehind,
      processedThrough: isoOrNull(one.processedThrough),
      haltedReason: one.haltedReason,
    })),
    tailers: report.tailers.map((one) => ({
      name: one.name,
      changeRowsBehind: one.rowsBehind.toString(),
      secondsBehind: one.secondsBehind,
      completeThrough: isoOrNull(one.completeThrough),
      resyncing: one.resyncing,
    })),
    quarantine: { open: report.quarantineOpen.toString(), counts: report.quarantine.map(countJson) },
  };
}

function isoOrNull(ts: number | null): string | null {
  return ts === null ? null : new Date(ts).toISOString();
}

export function renderLag(report: LagReport, kafka: string | null, palette: Palette): string {
  const through =
    report.completeThrough === null
      ? palette.warn('not known yet: a partition has not been counted up to its end since it was first seen')
      : formatInstant(report.completeThrough);
  const behind = kafka === null ? `, ${counted(report.eventsBehind, 'event')} behind` : '';
  return [
    kafka === null ? '' : `${palette.bad(`Kafka: ${kafka}`)}\n\n`,
    `${palette.bold('Counting')}  complete through ${through}${behind}\n`,
    renderPartitions(report.partitions, kafka === null, palette),
    ...report.partitions
      .filter((one) => one.haltedReason !== null)
      .map((one) => `${palette.bad(`partition ${one.partition} is halted`)}: ${one.haltedReason ?? ''}\n`),
    `\n${palette.bold('Passed on')}\n`,
    report.tailers.length === 0
      ? 'nobody follows the change log yet\n'
      : renderTailers(report.tailers, palette),
    `\n${palette.bold('Quarantine')}  ${report.quarantineOpen === 0n ? palette.good('nothing waits') : `${counted(report.quarantineOpen, 'event')} wait`}\n`,
    renderCounts(report.quarantine, palette),
  ].join('');
}

function renderPartitions(partitions: readonly PartitionLag[], withLog: boolean, palette: Palette): string {
  const known = (offset: bigint): string => (withLog ? withThousands(offset) : '?');
  return renderTable(
    [
      { title: 'partition', align: 'right' },
      { title: 'log start', align: 'right' },
      { title: 'log end', align: 'right' },
      { title: 'next offset', align: 'right' },
      { title: 'events behind', align: 'right' },
      { title: 'seconds behind', align: 'right' },
      { title: 'processed through' },
      { title: 'state' },
    ],
    partitions.map((one) => [
      one.partition.toString(),
      known(one.logStart),
      known(one.logEnd),
      one.nextOffset === null ? '-' : withThousands(one.nextOffset),
      known(one.eventsBehind),
      seconds(one.secondsBehind),
      one.processedThrough === null ? '-' : formatInstant(one.processedThrough),
      partitionState(one, palette),
    ]),
    palette,
  );
}

function renderTailers(tailers: readonly TailerReport[], palette: Palette): string {
  return renderTable(
    [
      { title: 'to' },
      { title: 'change rows behind', align: 'right' },
      { title: 'seconds behind', align: 'right' },
      { title: 'complete through' },
      { title: 'state' },
    ],
    tailers.map((one) => [
      one.name,
      withThousands(one.rowsBehind),
      seconds(one.secondsBehind),
      one.completeThrough === null ? '-' : formatInstant(one.completeThrough),
      one.resyncing ? palette.warn('starting again') : keepingUp(one.secondsBehind, 'following', palette),
    ]),
    palette,
  );
}

function partitionState(one: PartitionLag, palette: Palette): string {
  if (one.haltedReason !== null) return palette.bad('HALTED');
  return keepingUp(one.secondsBehind, 'counting', palette);
}

/** Watermarks move every second or two, also when nothing is sent: one that is older stands still, or is behind. */
export const LATE_SECONDS = 30;

function keepingUp(secondsBehind: number | null, word: string, palette: Palette): string {
  if (secondsBehind === null) return palette.warn('not begun');
  return secondsBehind > LATE_SECONDS ? palette.warn('late') : palette.good(word);
}

function seconds(value: number | null): string {
  return value === null ? '-' : withThousands(value.toFixed(1));
}
