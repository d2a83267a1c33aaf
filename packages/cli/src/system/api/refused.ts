/** What the API refuses, in the words of the command. */
import { ApiError } from '@meterhouse/client';
import { CommandError, UsageError } from '../../exit.ts';

/** @throws what `instead` gives for problems with this code; any other error as it is */
export async function orInstead<T>(code: string, work: Promise<T>, instead: () => Error): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof ApiError && error.code === code) throw instead();
    throw error;
  }
}

export function noSuchTenant(id: string): CommandError {
  return new CommandError(
    `there is no tenant ${id} that this key may see`,
    'see "meterhouse registry audit"',
  );
}

/** Whoever holds the key did it: the API takes nobody's word for another name. */
export function refuseAuthor(by: string | null): void {
  if (by !== null)
    throw new UsageError('--by: over the API it is the key that is written down; leave it out');
}

/** The first of a list, as many as are asked for. */
export async function firstOf<T>(items: AsyncIterable<T>, limit: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const item of items) {
    taken.push(item);
    if (taken.length === limit) break;
  }
  return taken;
}

/** Of a page, where `wanted` items are to come. */
export function pageSize(wanted: number): number {
  return Math.min(wanted, 1_000);
}

/** A query without what was not said. */
export function said<Q extends Readonly<Record<string, unknown>>>(
  query: Q,
): { [K in keyof Q]?: Exclude<Q[K], null | undefined> } {
  return Object.fromEntries(
    Object.entries(query).filter(([, value]) => value !== null && value !== undefined),
  ) as { [K in keyof Q]?: Exclude<Q[K], null | undefined> };
}

export function ms(instant: string): number {
  return Date.parse(instant);
}

export function msOrNull(instant: string | null): number | null {
  return instant === null ? null : Date.parse(instant);
}
