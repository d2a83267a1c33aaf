/** What `decisions list` and `decisions explain` print. */
import type { DecisionRow } from '@meterhouse/postgres/decisions';
import { formatInstant } from '../output/instants.ts';
import { renderWalk } from '../decide/decision-text.ts';
import { counted } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';
import type { Explanation } from './explain-decision.ts';

export function decisionJson(row: DecisionRow): Readonly<Record<string, Json>> {
  return {
    id: row.id,
    at: new Date(row.at).toISOString(),
    receivedAt: new Date(row.receivedAt).toISOString(),
    tenantId: row.tenantId,
    outcome: row.outcome,
    reason: row.reason,
    actorType: row.actorType,
    actorId: row.actorId,
    correlationId: row.correlationId,
    registryVersion: row.registryVersion.toString(),
  };
}

export function renderDecisions(rows: readonly DecisionRow[], palette: Palette): string {
  return renderTable(
    [
      { title: 'at' },
      { title: 'tenant' },
      { title: 'outcome' },
      { title: 'reason' },
      { title: 'actor' },
      { title: 'correlation id' },
      { title: 'id' },
    ],
    rows.map((row) => [
      formatInstant(row.at),
      row.tenantId,
      paintOutcome(row.outcome, palette),
      row.reason,
      `${row.actorType} ${row.actorId}`,
      row.correlationId,
      row.id,
    ]),
    palette,
  );
}

export function explanationJson(explanation: Explanation): Json {
  const { row, record, steps, message, differences, unreadableDocuments } = explanation;
  return {
    ...decisionJson(row),
    same: differences.length === 0,
    differences: differences.map((each) => ({ ...each })),
    message,
    steps: steps.map((step) => ({ ...step })),
    unreadableDocuments,
    // Plain JSON by its type; an interface is only not told so.
    record: JSON.parse(JSON.stringify(record)) as Json,
  };
}

export function renderExplanation(explanation: Explanation, palette: Palette): string {
  const { row, record, steps, message, unreadableDocuments } = explanation;
  const softened = record.enforced ? '' : ', not enforced';
  const head = [
    `${palette.bold(paintOutcome(row.outcome, palette))} ${row.reason}${softened}: ${message}`,
    palette.dim(
      `${row.tenantId}, ${formatInstant(row.at)}, correlation id ${row.correlationId}, registry ${row.registryVersion}`,
    ),
  ];
  const unreadable =
    unreadableDocuments === 0
      ? ''
      : palette.warn(
          `${counted(unreadableDocuments, 'document')} of the registry of then cannot be read by this build; what depends on it is denied\n`,
        );
  return `${head.join('\n')}\n\n${renderWalk(steps, palette)}\n${unreadable}${verdict(explanation, palette)}`;
}

function verdict({ differences }: Explanation, palette: Palette): string {
  if (differences.length === 0) return palette.good('comes out the same\n');
  const table = renderTable(
    [{ title: 'what' }, { title: 'kept' }, { title: 'made again' }],
    differences.map(({ field, recorded, replayed }) => [field, recorded, replayed]),
    palette,
  );
  return `${palette.bad('does NOT come out the same:')}\n${table}`;
}

function paintOutcome(outcome: string, palette: Palette): string {
  if (outcome === 'deny') return palette.bad(outcome);
  return outcome === 'warn' ? palette.warn(outcome) : palette.good(outcome);
}
