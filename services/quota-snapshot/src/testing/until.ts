import { waitFor } from '@meterhouse/runtime';

export const DEADLINE_MS = 30_000;

/** Waits until a condition holds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  await waitFor(what, () => (holds() ? true : undefined), { deadlineMs: DEADLINE_MS, everyMs: 5 });
}
