/** Which day a data dir has been given, so that starting again sends the same one. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DAY_MS } from '@meterhouse/usage';
import { writeAtomically } from '../../data-dir/write-atomically.ts';
import type { DayPlan } from './usage-day.ts';

/** The last days given, by what makes their events (seed, number, program) → end of the day, epoch ms. */
type Days = Record<string, number>;

/** What decides the content of a day beside its plan. */
const PROGRAM = ['usage-day.ts', 'misfits.ts', 'workloads.ts', 'seeded-random.ts'];

export interface RememberedDay {
  readonly plan: DayPlan;
  /** It has been sent from this data dir before, in part at least. */
  readonly again: boolean;
}

/**
 * The day that ends now, or the one that was given out less than a day ago: two days of the same
 * data dir never overlap. Written down before anything is sent.
 * @param now epoch ms
 */
export function dayFor(dataDir: string, asked: { seed: number; events: number }, now: number): RememberedDay {
  const path = join(dataDir, 'demo-days.json');
  const days = readDays(path);
  const key = `${asked.seed}/${asked.events}/${programDigest()}`;
  const last = days[key];
  const again = last !== undefined && last <= now && now - last < DAY_MS;
  const through = again ? last : now;
  if (!again) writeAtomically(path, `${JSON.stringify({ ...days, [key]: through }, null, 2)}\n`);
  return { plan: { ...asked, through }, again };
}

/** What the day's events name as their source; their producer's report is found by it. */
export function sourceOf({ seed, events, through }: DayPlan): string {
  return `demo-day:${new Date(through).toISOString()}:${seed}:${events}`;
}

/** Another version of the program would send other content under the same ids: it gets a day of its own. */
function programDigest(): string {
  const digest = createHash('sha256');
  for (const file of PROGRAM) digest.update(readFileSync(new URL(file, import.meta.url)));
  return digest.digest('hex').slice(0, 12);
}

function readDays(path: string): Days {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Days;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
