/** The two topics: what they are called, how they are kept, and how far they reach. */
import { waitFor } from '@meterhouse/runtime';
// CommonJS: Node does not see ConfigResourceTypes among the module's named exports.
import kafkajs, { type Admin, type Kafka } from 'kafkajs';

/** The names that others rely on. Every function takes the name, so tests can use their own. */
export const TOPICS = { usageEvents: 'usage_events', usageSnapshots: 'usage_snapshots' } as const;

/** A message of usage_events may be as large as a 10 MB mistake and must still reach quarantine. */
const MAX_EVENT_MESSAGE_BYTES = 12 * 1024 * 1024;
const DAY_MS = 24 * 3_600_000;
const LEADERS_DEADLINE_MS = 30_000;

export interface TopicPlan {
  readonly usageEvents: {
    readonly topic: string;
    /** For a new topic; default 4. */
    readonly partitions?: number;
    /** How long events stay after they were counted; default 7 days. */
    readonly retentionMs?: number;
  };
  readonly usageSnapshots: { readonly topic: string };
  /** Copies of each partition of a new topic; default 1. */
  readonly replicationFactor?: number;
}

/**
 * Makes the topics that are not there yet; any number of services may call it at once.
 * A topic that exists is left as it is, unless it would lose data: then it throws.
 */
export async function ensureTopics(kafka: Kafka, plan: TopicPlan): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    await createTopic(admin, plan, plan.usageEvents.topic, plan.usageEvents.partitions ?? 4, {
      'cleanup.policy': 'delete',
      'retention.ms': String(plan.usageEvents.retentionMs ?? 7 * DAY_MS),
      'max.message.bytes': String(MAX_EVENT_MESSAGE_BYTES),
      // Lateness is judged by the broker's clock: a producer cannot move its own deadline.
      'message.timestamp.type': 'LogAppendTime',
    });
    // One partition: a reader has the whole table after one pass, in the order it was published.
    await createTopic(admin, plan, plan.usageSnapshots.topic, 1, {
      'cleanup.policy': 'compact',
      // Small segments and an eager cleaner: the topic stays near its number of keys.
      'segment.ms': '60000',
      'segment.bytes': String(4 * 1024 * 1024),
      'min.cleanable.dirty.ratio': '0.1',
    });
    await waitForLeaders(admin, plan.usageEvents.topic);
    await waitForLeaders(admin, plan.usageSnapshots.topic);
    await refuseCleanup(
      admin,
      plan.usageEvents.topic,
      'compact',
      'it would drop all but the last event of a tenant',
    );
    await refuseCleanup(
      admin,
      plan.usageSnapshots.topic,
      'delete',
      'it would forget the usage of quiet tenants',
    );
  } finally {
    await admin.disconnect();
  }
}

async function createTopic(
  admin: Admin,
  plan: TopicPlan,
  topic: string,
  numPartitions: number,
  config: Record<string, string>,
): Promise<void> {
  if ((await admin.listTopics()).includes(topic)) return;
  const replicationFactor = plan.replicationFactor ?? 1;
  // With three copies, an acknowledged write is on at least two brokers.
  if (replicationFactor >= 3) config['min.insync.replicas'] = '2';
  // false means that another process made it in the meantime: what we wanted.
  await admin.createTopics({
    // kafkajs' own wait fails when a busy broker does not know the new topic at once.
    waitForLeaders: false,
    topics: [
      {
        topic,
        numPartitions,
        replicationFactor,
        configEntries: Object.entries(config).map(([name, value]) => ({ name, value })),
      },
    ],
  });
}

/** Also waits where another process has just made the topic. */
async function waitForLeaders(admin: Admin, topic: string): Promise<void> {
  const hasLeaders = async (): Promise<true | undefined> => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0]?.partitions ?? [];
    return partitions.length > 0 && partitions.every(({ leader }) => leader >= 0) ? true : undefined;
  };
  await waitFor(`topic ${topic} to have leaders`, hasLeaders, {
    deadlineMs: LEADERS_DEADLINE_MS,
    retryErrors: true,
  });
}

async function refuseCleanup(admin: Admin, topic: string, policy: string, why: string): Promise<void> {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['cleanup.policy'] }],
  });
  const found =
    resources[0]?.configEntries.find((entry) => entry.configName === 'cleanup.policy')?.configValue ?? '';
  if (found.split(',').includes(policy))
    throw new Error(`topic ${topic} has cleanup.policy=${found}: ${why}; change it or choose another topic`);
}

/** First offset that is still there, and the offset that the next message will get. */
export interface LogRange {
  readonly low: bigint;
  readonly high: bigint;
}

/** The range of every partition of the topic, by partition number. */
export async function fetchLogRange(admin: Admin, topic: string): Promise<Map<number, LogRange>> {
  const offsets = await admin.fetchTopicOffsets(topic);
  return new Map(
    offsets.map(({ partition, low, high }) => [partition, { low: BigInt(low), high: BigInt(high) }]),
  );
}
