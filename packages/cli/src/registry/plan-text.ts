/** What `apply` says. */
import type { Json } from '../output/output.ts';
import { counted } from '../output/numbers.ts';
import type { Palette } from '../output/palette.ts';
import { renderTable } from '../output/table.ts';
import type { PlannedChange, RegistryPlan } from './registry-plan.ts';

const CHANGES: readonly PlannedChange[] = ['created', 'changed', 'unchanged'];

export function planJson(plan: RegistryPlan, version: bigint, dryRun: boolean): Json {
  return {
    registryVersion: version.toString(),
    dryRun,
    entries: plan.entries.map(({ kind, name, change, details }) => ({ kind, name, change, details })),
  };
}

/** Unchanged entries are only counted: a large registry would hide what did change. */
export function renderPlan(plan: RegistryPlan, version: bigint, dryRun: boolean, palette: Palette): string {
  const of = (change: PlannedChange): number =>
    plan.entries.filter((entry) => entry.change === change).length;
  const paint = { created: palette.good, changed: palette.warn, unchanged: palette.dim };
  const table = renderTable(
    [{ title: 'change' }, { title: 'kind' }, { title: 'name' }, { title: 'what' }],
    plan.entries
      .filter((entry) => entry.change !== 'unchanged')
      .map((entry) => [paint[entry.change](entry.change), entry.kind, entry.name, entry.details.join(', ')]),
    palette,
  );
  const summary = CHANGES.map((change) => `${of(change)} ${change}`).join(', ');
  const where = dryRun
    ? `nothing was written; the registry is at version ${version}`
    : `the registry is at version ${version}`;
  return `${table}${counted(plan.entries.length, 'entry', 'entries')}: ${summary}; ${where}\n`;
}
