/** After the faults: waits until everything that was sent has an outcome and is mirrored. */
import { compareMirror, createClickHouse, type MirrorComparison } from '@meterhouse/clickhouse';
import { fetchLogRange } from '@meterhouse/kafka';
import { mirrorComparisonSource } from '@meterhouse/postgres';
import { readProgress } from '@meterhouse/postgres/flush';
import { waitFor } from '@meterhouse/runtime';
import { requestReplays } from './operator.ts';
import type { System } from './system.ts';

const LOOK_EVERY_MS = 250;

/** Everything is thawed and running, whatever the last faults left. */
export async function putRight(system: System): Promise<void> {
  for (const name of ['postgres', 'clickhouse', 'kafka', 'schemaRegistry'] as const) {
    const part = system.stack.part(name);
    await part.kill('SIGCONT');
    await part.start();
  }
  for (const worker of system.workers) worker.signal('SIGCONT');
}

/**
 * Resolves when every partition is counted up to the log's end and no event waits for a replay.
 * @throws DeadlineError saying how far it came
 */
export async function everythingCounted(system: System, deadlineMs: number): Promise<void> {
  const { kafka, names, postgres } = system;
  const admin = kafka.admin();
  await admin.connect();
  const ends = await fetchLogRange(admin, names.topic).finally(() => admin.disconnect());
  let behind = '';
  await waitFor(
    'every event to be counted or quarantined',
    async () => {
      const next = new Map((await readProgress(postgres, names.topic)).map((row) => [row.partition, row]));
      const open = [...ends].filter(
        ([partition, end]) => (next.get(partition)?.nextOffset ?? -1n) < end.high,
      );
      if (open.length === 0 && (await requestReplays(postgres)) === 0) return true;
      behind = open
        .map(([partition, end]) => `${partition} at ${next.get(partition)?.nextOffset} of ${end.high}`)
        .join(', ');
      return undefined;
    },
    { deadlineMs, everyMs: LOOK_EVERY_MS, retryErrors: true },
  ).catch((error: unknown) => {
    throw new Error(`not everything was counted; behind: ${behind === '' ? 'replays' : behind}`, {
      cause: error,
    });
  });
}

/** The system's own comparison of ClickHouse with Postgres, once the mirror has come up with it. */
export async function mirrorDifference(
  system: System,
  url: string,
  deadlineMs: number,
): Promise<MirrorComparison> {
  const source = mirrorComparisonSource(system.postgres);
  await source.mirrorCaughtUp(deadlineMs, AbortSignal.timeout(deadlineMs + 10_000));
  const clickhouse = createClickHouse(url, system.names.clickhouseDatabase);
  try {
    return await compareMirror({ clickhouse, source, maxListed: 10, catchUpMs: deadlineMs });
  } finally {
    await clickhouse.close();
  }
}
