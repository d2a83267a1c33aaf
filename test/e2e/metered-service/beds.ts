/**
 * A bed for each adapter: the configuration that a platform would write, and how to find out what was
 * counted, by other means than the meter's. Whoever adds an adapter adds a bed; the test stays as it is.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MakeBed } from './bed.ts';
import { http, kafka, spool } from './pipeline-beds.ts';
import { postgres } from './postgres-bed.ts';

const NOTHING = () => Promise.resolve();

const noop: MakeBed = () =>
  Promise.resolve({
    configuration: { adapter: 'noop' },
    can: { count: false, readUsage: 'zero', check: 'allows' },
    settled: NOTHING,
    counted: () => Promise.resolve({}),
  });

const log: MakeBed = (folder) => {
  const file = join(folder, 'usage.log');
  return Promise.resolve({
    configuration: { adapter: 'log', log: { file } },
    can: { count: false, readUsage: 'refuses', check: 'allows' },
    settled: NOTHING,
    // Not counted by anybody; the lines themselves are what there is.
    counted: async () => sums(await readFile(file, 'utf8')),
  });
};

export const BEDS: Readonly<Record<string, MakeBed>> = {
  noop,
  log,
  kafka,
  postgres,
  http,
  'kafka behind a spool': spool,
};

function sums(lines: string): Record<string, string> {
  const all = new Map<string, Map<string, number>>();
  for (const line of lines.split('\n').filter((each) => each !== '')) {
    const { usageEvent } = JSON.parse(line) as {
      usageEvent: { id: string; tenantId: string; metric: string; value: string };
    };
    const name = `${usageEvent.tenantId} ${usageEvent.metric}`;
    const ids = all.get(name) ?? new Map<string, number>();
    all.set(name, ids.set(usageEvent.id, Number(usageEvent.value)));
  }
  return Object.fromEntries(
    [...all].map(([name, ids]) => [name, String([...ids.values()].reduce((sum, each) => sum + each, 0))]),
  );
}
