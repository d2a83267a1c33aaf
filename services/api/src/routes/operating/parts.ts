/** What the routes of operating have in common. */
import { z } from 'zod';
import type { Role } from '../../access/roles.ts';
import type { Stores } from '../../stores.ts';

export interface OperatingParts {
  readonly stores: Stores;
}

/** Whoever runs the platform, and whoever runs a tenant for what is theirs. */
export const OPERATORS: readonly Role[] = ['tenant_admin', 'operator', 'platform_admin'];

/** A row's number in the database, as a text. */
export const rowId = z.string().regex(/^[0-9]{1,18}$/, 'must be a whole number');
/** In a query: `state=held`, or several of them. */
export function oneOrMore<T extends z.ZodType>(item: T, max: number) {
  return z.union([item, z.array(item).min(1).max(max)]).optional();
}

/** A page begins after this row. */
export const rowPosition = z.object({ after: rowId });

export function instantOf(at: number | Date | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}

/** The rows of a page, of which one too many was read, and the last of them where more come. */
export function pageOf<T>(rows: readonly T[], limit: number): { page: readonly T[]; last: T | undefined } {
  const page = rows.slice(0, limit);
  return { page, last: rows.length > page.length ? page.at(-1) : undefined };
}
