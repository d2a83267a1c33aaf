/** Which events that a spool has set aside a person means. All of them has to be said. */
import type { SetAsideRow } from '@meterhouse/producer/spool';
import { UsageError } from '../exit.ts';

export interface SpoolSelection {
  readonly id?: readonly string[];
  readonly reason?: string;
  readonly all?: boolean;
}

/** An event that was set aside, in its file. */
export interface FoundAside extends SetAsideRow {
  /** The file's name. */
  readonly file: string;
  /** What can be read of the event. */
  readonly event: Readonly<Record<string, unknown>> | null;
}

export function foundIn(file: string, row: SetAsideRow): FoundAside {
  return { ...row, file, event: eventIn(row.text) };
}

/** Names an event that has no id any more, too: `p1.spool#17`. */
export function placeOf({ file, seq }: Pick<FoundAside, 'file' | 'seq'>): string {
  return `${file}#${seq}`;
}

/** @throws UsageError when nothing, or two things that exclude each other, were said */
export function selectionOf({ id, reason, all }: SpoolSelection): (row: FoundAside) => boolean {
  const narrowed = id !== undefined || reason !== undefined;
  if (all === true && narrowed)
    throw new UsageError('--all stands alone: leave it out to choose by id or reason');
  if (all !== true && !narrowed) throw new UsageError('say which: --id ID, --reason REASON or --all');
  const ids = id === undefined ? null : new Set(id);
  return (row) =>
    (ids === null || ids.has(placeOf(row)) || ids.has(textAt(row, 'id') ?? '')) &&
    (reason === undefined || row.reason === reason);
}

export function textAt({ event }: Pick<FoundAside, 'event'>, field: string): string | null {
  const value = event?.[field];
  return typeof value === 'string' ? value : null;
}

function eventIn(text: string): FoundAside['event'] {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : null;
  } catch {
    // Said to be unreadable, by what is kept of it.
    return null;
  }
}
