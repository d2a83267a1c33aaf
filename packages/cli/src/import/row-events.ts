/** From a row to the events that it stands for, or why it stands for none. Pure. */
import { normalizeEvent, isInputRefusal, type EventDefaults } from '@meterhouse/producer';
import { DAY_MS, type UsageEvent } from '@meterhouse/usage';
import type { DigestCounts } from '../digest-counts.ts';
import { UsageError } from '../exit.ts';
import type { JsonRow } from './file-rows.ts';
import { MAPPED_FIELDS, type MappedField, type Mapping } from './mapping.ts';
import {
  columnsContent,
  derivedId,
  identifyRow,
  jsonContent,
  rowDigest,
  tenantOfRow,
  type RowIdentity,
} from './row-identity.ts';
import type { StampReader } from './stamps.ts';

export interface RowProblem {
  readonly field: string | null;
  readonly detail: string;
}

/** A row is taken whole or not at all. */
export type RowOutcome = readonly UsageEvent[] | RowProblem;

export function isRowProblem(outcome: RowOutcome): outcome is RowProblem {
  return 'detail' in outcome;
}

export interface RowContext {
  /** What the events name as their source. */
  readonly source: string;
  readonly shiftDays: number;
  readonly readStamp: StampReader;
  /** Rows met in this file, for the ids of those that carry none. */
  readonly seenRows: DigestCounts;
}

/** Fields of an event before they are checked. */
type Draft = Record<string, unknown>;

/** JSON lines: the event's own fields. `set` fills in what a line leaves out. */
export function jsonRowEvents(row: JsonRow, mapping: Mapping, context: RowContext): RowOutcome {
  const digest = rowDigest(jsonContent(row));
  const draft: Draft = { ...mapping.set, ...row };
  // Ours stands instead, so that the import can be reconciled by it.
  delete draft['source'];
  return finish([draft], { digest, mapping, context, ownId: row['id'] ?? null });
}

/** How a CSV file's columns fill the fields, settled once for a file. */
export interface CsvPlan {
  readonly fields: ReadonlyMap<MappedField, number>;
  readonly metrics: readonly (readonly [metric: string, column: number])[];
  readonly attrs: readonly (readonly [attribute: string, column: number])[];
  /** For the row's content: the same whatever the order of the columns. */
  readonly columns: ReadonlyMap<string, number>;
  readonly sortedNames: readonly string[];
}

/** @throws UsageError when the file cannot give what the events need */
export function planCsv(fileName: string, header: readonly string[], mapping: Mapping): CsvPlan {
  const columns = new Map(header.map((name, index) => [name, index]));
  const columnOf = (name: string): number => {
    const index = columns.get(name);
    if (index === undefined)
      throw new UsageError(
        `${fileName} has no column ${JSON.stringify(name)}; it has ${header.map((one) => JSON.stringify(one)).join(', ')}`,
      );
    return index;
  };
  const fields = new Map<MappedField, number>();
  for (const field of MAPPED_FIELDS) {
    const name = mapping.map[field];
    if (name !== undefined) fields.set(field, columnOf(name));
    // A column of the field's own name needs no mapping.
    else if (columns.has(field) && !isGivenOtherwise(field, mapping)) fields.set(field, columnOf(field));
  }
  const plan: CsvPlan = {
    fields,
    metrics: Object.entries(mapping.metrics).map(([metric, name]) => [metric, columnOf(name)]),
    attrs: Object.entries(mapping.attrs).map(([attribute, name]) => [attribute, columnOf(name)]),
    columns,
    sortedNames: [...header].sort(),
  };
  requireFields(fileName, plan, mapping);
  return plan;
}

function requireFields(fileName: string, plan: CsvPlan, mapping: Mapping): void {
  const given = (field: MappedField): boolean => plan.fields.has(field) || field in mapping.set;
  const missing = [
    ...(given('ts') ? [] : ['when it happened (--map ts=COLUMN)']),
    ...(given('tenantId') || mapping.tenantFrom !== null
      ? []
      : ['whose usage it is (--map tenantId=COLUMN, --set tenantId=ID or --tenant-from hash:N)']),
    ...(given('metric') || plan.metrics.length > 0
      ? []
      : ['of what (--metric NAME=COLUMN, --map metric=COLUMN or --set metric=NAME)']),
  ];
  if (missing.length > 0) throw new UsageError(`${fileName}: nothing says ${missing.join(', nor ')}`);
  if (mapping.tenantFrom !== null && given('tenantId'))
    throw new UsageError('the tenant is given twice: by --tenant-from and by --map or --set');
}

function isGivenOtherwise(field: MappedField, mapping: Mapping): boolean {
  return field in mapping.set || (field === 'tenantId' && mapping.tenantFrom !== null);
}

export function csvRowEvents(
  values: readonly string[],
  plan: CsvPlan,
  mapping: Mapping,
  context: RowContext,
): RowOutcome {
  const cell = (index: number): string => values[index] ?? '';
  const content = columnsContent(plan.sortedNames, (name) => cell(plan.columns.get(name) ?? -1));
  const digest = rowDigest(content);
  const base: Draft = { ...mapping.set };
  for (const [field, index] of plan.fields) {
    const value = cell(index);
    // An empty cell is a missing field; the check says so where the field is needed.
    if (value !== '') base[field] = field === 'correlationId' ? value : value.trim();
  }
  const attrs: Record<string, string> = {};
  for (const [attribute, index] of plan.attrs) if (cell(index) !== '') attrs[attribute] = cell(index);
  if (plan.attrs.length > 0) base['attrs'] = attrs;
  if (plan.fields.has('value') && plan.metrics.length === 0 && base['value'] === undefined)
    return { field: 'value', detail: 'is empty' };
  const ownId = base['id'] ?? null;
  delete base['id'];
  const drafts: Draft[] = [];
  if (plan.metrics.length === 0) drafts.push(base);
  for (const [metric, index] of plan.metrics) {
    const value = cell(index).trim();
    if (value === '') return { field: metric, detail: 'is empty' };
    drafts.push({ ...base, metric, value });
  }
  return finish(drafts, { digest, mapping, context, ownId });
}

interface RowParts {
  readonly digest: Buffer;
  readonly mapping: Mapping;
  readonly context: RowContext;
  readonly ownId: unknown;
}

/** Gives the drafts their time, tenant and id, and checks each as the producer will. */
function finish(drafts: readonly Draft[], parts: RowParts): RowOutcome {
  const { digest, mapping, context, ownId } = parts;
  // A row is counted among its like also when it is refused: mending another row changes no id.
  const row = ownId === null ? identifyRow(digest, context.seenRows) : null;
  const events: UsageEvent[] = [];
  for (const draft of drafts) {
    const ts = shiftedTime(draft['ts'], context);
    if (typeof ts !== 'number') return ts;
    if (mapping.tenantFrom !== null && draft['tenantId'] === undefined)
      draft['tenantId'] = tenantOfRow(digest, mapping.tenantFrom);
    draft['ts'] = ts;
    draft['id'] = idOf(draft, row, ownId, parts);
    const event = normalizeEvent(draft, defaultsOf(context.source));
    if (isInputRefusal(event)) return { field: event.field, detail: event.detail };
    events.push(event);
  }
  return events;
}

/** Several metrics of one row with an id of its own: an id may stand for one event only. */
function idOf(draft: Draft, row: RowIdentity | null, ownId: unknown, parts: RowParts): unknown {
  const metric = typeof draft['metric'] === 'string' ? draft['metric'] : '';
  if (row !== null) return derivedId(row, metric, parts.context.shiftDays);
  return typeof ownId === 'string' && Object.keys(parts.mapping.metrics).length > 1
    ? `${ownId}:${metric}`
    : ownId;
}

function shiftedTime(given: unknown, context: RowContext): number | RowProblem {
  if (given === undefined || given === null)
    return { field: 'ts', detail: 'is missing: the time of import would differ from one import to the next' };
  const ts =
    typeof given === 'number'
      ? given
      : typeof given === 'string'
        ? context.readStamp(given.trim())
        : 'is neither a time nor epoch milliseconds';
  return typeof ts === 'number' ? ts + context.shiftDays * DAY_MS : { field: 'ts', detail: ts };
}

/** The time and the id are always given by now. */
function defaultsOf(source: string): EventDefaults {
  return { source, now: () => 0, newId: () => '' };
}
