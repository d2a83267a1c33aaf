/** What `meterhouse audit` prints. */
import type { AuditHead, AuditRow, AuditVerdict } from '@meterhouse/postgres/access';
import { formatInstant } from '../output/instants.ts';
import { counted, withThousands } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { printable } from '../output/printable.ts';
import { renderTable } from '../output/table.ts';

/** `12:9f…`: as it is noted elsewhere, and given back with --head. */
function headText({ seq, hash }: AuditHead): string {
  return `${seq}:${hash}`;
}

export function rowJson(row: AuditRow): Json {
  return {
    seq: row.seq.toString(),
    at: new Date(row.at).toISOString(),
    actor: { type: row.actorType, id: row.actorId, keyId: row.keyId, role: row.role },
    action: row.action,
    tenantId: row.tenantId,
    target: row.target,
    outcome: row.outcome,
    correlationId: row.correlationId,
    details: JSON.parse(row.details) as Json,
    hash: row.hash,
  };
}

export function renderRows(rows: readonly AuditRow[], limit: number, palette: Palette): string {
  const last = rows.at(-1);
  if (last === undefined) return 'no such entry\n';
  const paint = { done: palette.good, denied: palette.warn, failed: palette.bad };
  const table = renderTable(
    ['seq', 'when', 'who', 'what', 'tenant', 'to', 'outcome', 'details'].map((title) => ({ title })),
    rows.map((row) => [
      row.seq.toString(),
      formatInstant(row.at),
      printable(row.keyId === null ? row.actorId : `${row.actorId} (key ${row.keyId})`),
      printable(row.action),
      printable(row.tenantId ?? '-'),
      printable(row.target ?? '-'),
      paint[row.outcome](row.outcome),
      row.details === '{}' ? '' : printable(JSON.stringify(JSON.parse(row.details))),
    ]),
    palette,
  );
  return `${table}${rows.length === limit ? palette.dim(`more: --before ${last.seq}\n`) : ''}`;
}

export function verdictJson(verdict: AuditVerdict): Json {
  return verdict.kind === 'whole'
    ? { whole: true, rows: verdict.head.seq.toString(), head: headText(verdict.head) }
    : {
        whole: false,
        checked: verdict.checked.toString(),
        seq: verdict.seq.toString(),
        reason: verdict.reason,
        detail: verdict.detail,
      };
}

export function renderVerdict(verdict: AuditVerdict, noted: boolean, palette: Palette): string {
  if (verdict.kind === 'broken')
    return (
      `${palette.bad('the audit log is broken')} at row ${verdict.seq}: ${verdict.detail}\n` +
      `${counted(verdict.checked, 'row')} before it ${verdict.checked === 1n ? 'is' : 'are'} whole; see docs/runbooks/audit-chain-broken.md\n`
    );
  const advice = noted
    ? ''
    : palette.dim(
        'a log that was made anew as a whole is found only with --head and a head that was noted before\n',
      );
  return `${palette.good('the audit log is whole')}: ${withThousands(verdict.head.seq)} rows\nhead: ${headText(verdict.head)}\n${advice}`;
}
