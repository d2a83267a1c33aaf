/** What `registry audit` prints. */
import type { AuditedChange } from '@meterhouse/postgres';
import { differences } from '@meterhouse/quota';
import { formatInstant } from '../output/instants.ts';
import { counted } from '../output/numbers.ts';
import type { Json } from '../output/output.ts';
import type { Palette } from '../output/palette.ts';
import { printable } from '../output/printable.ts';
import { renderTable } from '../output/table.ts';

type Change = 'created' | 'changed' | 'removed';

export function auditJson(changes: readonly AuditedChange[]): Json {
  return {
    changes: changes.map((each) => ({
      version: each.version.toString(),
      at: new Date(each.at).toISOString(),
      by: each.by,
      why: each.why,
      kind: each.kind,
      id: each.id,
      change: changeOf(each),
      privileged: each.privileged,
      differences: differencesOf(each),
      before: each.before as Json,
      after: each.after as Json,
    })),
  };
}

export function renderAudit(changes: readonly AuditedChange[], limit: number, palette: Palette): string {
  if (changes.length === 0) return 'no such change\n';
  const paint = { created: palette.good, changed: palette.warn, removed: palette.bad };
  const table = renderTable(
    ['version', 'when', 'who', 'what', 'before → after', 'why'].map((title) => ({ title })),
    changes.map((each) => {
      const change = changeOf(each);
      const what = `${paint[change](change)} ${each.kind} ${each.id}`;
      return [
        each.version.toString(),
        formatInstant(each.at),
        printable(each.by),
        each.privileged ? `${what}\n${palette.bad('PRIVILEGED')}` : what,
        linesOf(each, change).map(printable).join('\n'),
        printable(each.why),
      ];
    }),
    palette,
  );
  const more = changes.length === limit ? '; there may be more: --limit' : '';
  return `${table}${counted(changes.length, 'change')}${more}\n`;
}

function changeOf({ before, after }: AuditedChange): Change {
  if (before === null) return 'created';
  return after === null ? 'removed' : 'changed';
}

/** What is new, or gone, was nothing on the other side in every field. */
function linesOf(each: AuditedChange, change: Change): string[] {
  const lines = differencesOf(each);
  if (change === 'created') return lines.map((line) => line.replace(': (none) → ', ': '));
  return change === 'removed' ? lines.map((line) => line.replace(/ → \(none\)$/, '')) : lines;
}

function differencesOf({ before, after }: AuditedChange): string[] {
  return differences(fieldsOf(before), fieldsOf(after));
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
}
