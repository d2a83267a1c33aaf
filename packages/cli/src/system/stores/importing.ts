/** Importing through the producer, straight to the broker. */
import { fetchLogEnds, registerEventSchema } from '@meterhouse/kafka';
import { createMeter } from '@meterhouse/producer';
import {
  countQuarantinedBetween,
  inTransaction,
  saveProducerReport,
  type LogEnds,
} from '@meterhouse/postgres';
import { appendAudit } from '@meterhouse/postgres/access';
import { thisUser } from '../../author.ts';
import type { Stores } from '../../connect/stores.ts';
import { requireTopic, waitUntilCounted } from '../../import/counted-wait.ts';
import type { Waited } from '../../import/import-text.ts';
import type { Output } from '../../output/output.ts';
import { withThousands } from '../../output/numbers.ts';
import { startProgress } from '../../output/progress.ts';
import type { ImportRun } from '../system.ts';

/** Some sends ahead: enough to keep the broker busy, little enough for a small machine. */
const METER_BOUNDS = { bufferEvents: 10_000, bufferBytes: 16 * 1024 * 1024 };
const REGISTER_MS = 10_000;

interface Surroundings {
  readonly out: Output;
  readonly signal: AbortSignal;
}

export async function importToBroker(stores: Stores, surroundings: Surroundings): Promise<ImportRun> {
  const pool = await stores.postgres('meterhouse_operator');
  const topic = stores.names.usageEventsTopic;
  const admin = await stores.kafkaAdmin();
  await requireTopic(admin, topic);
  const before = await fetchLogEnds(admin, topic);
  // Now, rather than by a producer that keeps trying for a minute.
  await registerEventSchema(stores.schemaRegistry(), topic, AbortSignal.timeout(REGISTER_MS));
  const meter = createMeter({
    kafka: { ...stores.kafkaAccess(), schemaRegistryUrl: stores.urlOf('schemaRegistry'), topic },
    source: 'import',
    logger: stores.logger,
    bounds: METER_BOUNDS,
  });
  return {
    send: (events, onOutcome) => meter.recordMany(events, onOutcome),
    done: ({ source, notAcknowledged, totals }) =>
      inTransaction(pool, async (client) => {
        if (notAcknowledged === 0) await saveProducerReport(client, source, totals.byMetric);
        await appendAudit(client, {
          actor: thisUser(),
          action: 'usage.import',
          tenantId: null,
          target: source,
          outcome: notAcknowledged === 0 ? 'done' : 'failed',
        });
      }),
    counted: (deadlineMs) => untilCounted(stores, before, deadlineMs, surroundings),
    close: async () => {
      await meter.close();
    },
  };
}

async function untilCounted(
  stores: Stores,
  before: LogEnds,
  deadlineMs: number,
  { out, signal }: Surroundings,
): Promise<Waited> {
  const topic = stores.names.usageEventsTopic;
  const pool = await stores.postgres('meterhouse_operator');
  const ends = await fetchLogEnds(await stores.kafkaAdmin(), topic);
  let most = 0n;
  let bar = startProgress(null, '', 0);
  try {
    await waitUntilCounted({
      pool,
      topic,
      ends,
      deadlineMs,
      signal,
      onBehind: (behind) => {
        if (behind > most) {
          bar.stop();
          most = behind;
          bar = startProgress(out.progressSink, 'counting', Number(most));
        }
        bar.update(Number(most - behind), `${withThousands(behind)} to go`);
      },
    });
  } finally {
    bar.stop();
  }
  return { quarantined: await countQuarantinedBetween(pool, topic, before, ends) };
}
