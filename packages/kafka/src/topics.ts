/** The topics: what they are called, how they are kept, and how far they reach. */
import { waitFor } from '@meterhouse/runtime';
// CommonJS: Node does not see ConfigResourceTypes among the module's named exports.
import kafkajs, { type Admin, type Kafka } from 'kafkajs';

/** The names that others rely on. Every function takes the name, so tests can use their own. */
export const TOPICS = {
  usageEvents: 'usage_events',
  usageSnapshots: 'usage_snapshots',
  quotaDecisions: 'quota_decisions',
} as const;

/** A message of usage_events may be as large as a 10 MB mistake and must still reach quarantine. */
const MAX_EVENT_MESSAGE_BYTES = 12 * 1024 * 1024;
/** A decision's record is some kilobytes: one reading and one amount for each ceiling of the lineage. */
const MAX_DECISION_MESSAGE_BYTES = 1024 * 1024;
const DAY_MS = 24 * 3_600_000;
const LEADERS_DEADLINE_MS = 30_000;

/** Topics that are left out are not made. */
export interface TopicPlan {
  readonly usageEvents?: {
    readonly topic: string;
    /** For a new topic; default 4. */
    readonly partitions?: number;
    /** How long events stay after they were counted; default 7 days. */
    readonly retentionMs?: number;
  };
  readonly usageSnapshots?: { readonly topic: string };
  readonly quotaDecisions?: {
    readonly topic: string;
    /** For a new topic; default 3. */
    readonly partitions?: number;
  };
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
    const kinds = kindsOf(plan);
    for (const { topic, partitions, config } of kinds)
      await createTopic(admin, plan, topic, partitions, { ...config });
    for (const { topic } of kinds) await waitForLeaders(admin, topic);
    for (const { topic, refused, why } of kinds) await refuseCleanup(admin, topic, refused, why);
  } finally {
    await admin.disconnect();
  }
}

interface TopicKind {
  readonly topic: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
  /** The clean-up that would lose what the topic is for, and how. */
  readonly refused: 'compact' | 'delete';
  readonly why: string;
}

function kindsOf({ usageEvents, usageSnapshots, quotaDecisions }: TopicPlan): TopicKind[] {
  const kinds: TopicKind[] = [];
  if (usageEvents !== undefined)
    kinds.push({
      topic: usageEvents.topic,
      partitions: usageEvents.partitions ?? 4,
      config: {
        'cleanup.policy': 'delete',
        'retention.ms': String(usageEvents.retentionMs ?? 7 * DAY_MS),
        'max.message.bytes': String(MAX_EVENT_MESSAGE_BYTES),
        // Lateness is judged by the broker's clock: a producer cannot move its own deadline.
        'message.timestamp.type': 'LogAppendTime',
      },
      refused: 'compact',
      why: 'it would drop all but the last event of a tenant',
    });
  if (usageSnapshots !== undefined)
    kinds.push({
      topic: usageSnapshots.topic,
      // One: a reader has the whole table after one pass, in the order it was published.
      partitions: 1,
      config: {
        'cleanup.policy': 'compact',
        // Small segments and an eager cleaner: the topic stays near its number of keys.
        'segment.ms': '60000',
        'segment.bytes': String(4 * 1024 * 1024),
        'min.cleanable.dirty.ratio': '0.1',
      },
      refused: 'delete',
      why: 'it would forget the usage of quiet tenants',
    });
  if (quotaDecisions !== undefined)
    kinds.push({
      topic: quotaDecisions.topic,
      partitions: quotaDecisions.partitions ?? 3,
      config: {
        'cleanup.policy': 'delete',
        'retention.ms': String(7 * DAY_MS),
        'max.message.bytes': String(MAX_DECISION_MESSAGE_BYTES),
        'message.timestamp.type': 'LogAppendTime',
      },
      refused: 'compact',
      why: 'it would drop all but the last decision of a tenant',
    });
  return kinds;
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

/** The end of every partition's log, by partition number. */
export async function fetchLogEnds(admin: Admin, topic: string): Promise<Map<number, bigint>> {
  const ranges = await fetchLogRange(admin, topic);
  return new Map([...ranges].map(([partition, { high }]) => [partition, high]));
}
