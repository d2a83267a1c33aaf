/**
 * The day of a data dir:
 * - it ends now, and is the same one for a day, so that starting again sends the same events
 * - after that, and for another seed or size, it is a day of its own
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DAY_MS } from '@meterhouse/usage';
import { dayFor, sourceOf } from './remembered-day.ts';

const now = Date.UTC(2026, 10, 22, 18);
const asked = { seed: 1, events: 3_000 };

it('is given again for a day, and then a new one', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'meterhouse-day-'));
  expect(dayFor(dataDir, asked, now)).toEqual({ plan: { ...asked, through: now }, again: false });
  expect(dayFor(dataDir, asked, now + DAY_MS - 1)).toEqual({ plan: { ...asked, through: now }, again: true });
  const next = dayFor(dataDir, asked, now + DAY_MS);
  expect(next).toEqual({ plan: { ...asked, through: now + DAY_MS }, again: false });
  expect(sourceOf(next.plan)).not.toBe(sourceOf({ ...next.plan, through: now }));
});

it('is another one for another seed or size', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'meterhouse-day-'));
  dayFor(dataDir, asked, now);
  expect(dayFor(dataDir, { ...asked, seed: 2 }, now + 5).again).toBe(false);
  expect(dayFor(dataDir, { ...asked, events: 4_000 }, now + 5).again).toBe(false);
  expect(dayFor(dataDir, asked, now + 5).again).toBe(true);
});
