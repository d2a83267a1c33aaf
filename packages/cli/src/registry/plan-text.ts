/** What `apply` says. */
import type { Json } from '../output/output.ts';
import { counted } from '../output/numbers.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';
import type { PlannedChange } from '@meterhouse/quota';
import type { RegistryChanged } from '../system/system.ts';

const CHANGES: readonly PlannedChange[] = ['created', 'changed', 'removed', 'unchanged'];

export function planJson({ entries, version, dryRun }: RegistryChanged): Json {
  return {
    registryVersion: version.toString(),
    dryRun,
    entries: entries.map(({ kind, name, change, details }) => ({ kind, name, change, details })),
  };
}

/** Unchanged entries are only counted: a large registry would hide what did change. */
export function renderPlan({ entries, version, dryRun }: RegistryChanged, palette: Palette): string {
  const of = (change: PlannedChange): number => entries.filter((entry) => entry.change === change).length;
  const paint = {
    created: palette.good,
    changed: palette.warn,
    removed: palette.bad,
    unchanged: palette.dim,
  };
  const table = renderTable(
    [{ title: 'change' }, { title: 'kind' }, { title: 'name' }, { title: 'what' }],
    entries
      .filter((entry) => entry.change !== 'unchanged')
      .map((entry) => [paint[entry.change](entry.change), entry.kind, entry.name, entry.details.join(', ')]),
    palette,
  );
  const summary = CHANGES.filter((change) => change !== 'removed' || of(change) > 0)
    .map((change) => `${of(change)} ${change}`)
    .join(', ');
  const where = dryRun
    ? `nothing was written; the registry is at version ${version}`
    : `the registry is at version ${version}`;
  return `${table}${counted(entries.length, 'entry', 'entries')}: ${summary}; ${where}\n`;
}
