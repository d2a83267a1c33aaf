/** What reading usage stands on: Postgres, how far the topic goes, and the limits as decisions know them. */
import type { PolicyView } from '@meterhouse/quota';
import type { KafkaConnection } from '@meterhouse/kafka';
import type { Releases } from '@meterhouse/runtime';
import { createLogEndsReader } from './routes/usage/log-ends.ts';
import type { UsageSource } from './routes/usage/index.ts';
import type { Stores } from './stores.ts';

interface UsageTools {
  readonly stores: Pick<Stores, 'scoped'>;
  /** Follows the snapshots. */
  readonly policy: PolicyView;
  readonly connection: KafkaConnection;
  readonly releases: Releases;
}

/** Nothing is waited for: while Kafka is away, usage is answered without what only Kafka knows. */
export function openUsageSource(
  topic: string,
  { stores: { scoped }, policy, connection, releases }: UsageTools,
): UsageSource {
  const ends = createLogEndsReader(connection, topic);
  releases.add('the reader of log ends', () => ends.close());
  return { scoped, topic, logEnds: () => ends.read(), policy, now: Date.now };
}
