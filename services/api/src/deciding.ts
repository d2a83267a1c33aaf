/** What POST /v1/decide decides by: the snapshots in memory, and where denials and warnings go. */
import { randomUUID } from 'node:crypto';
import { createGate, DecisionPublisher } from '@meterhouse/gate';
import { decisionInstruments, observeDecisionPublisher } from '@meterhouse/gate/prometheus';
import {
  createDecisionEncoder,
  createKafka,
  createRegistry,
  isRefusedForGood,
  registerDecisionSchema,
  type KafkaConnection,
} from '@meterhouse/kafka';
import { readSnapshots, type SnapshotReader } from '@meterhouse/quota/reader';
import type { Drain, Logger, Releases } from '@meterhouse/runtime';
import type { Metrics } from '@meterhouse/runtime/metrics';
import type { Health, StartUp } from '@meterhouse/runtime/service';
import type { Configuration } from './configuration.ts';
import type { DecideParts } from './routes/decide/index.ts';

interface DecidingTools {
  readonly connection: KafkaConnection;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly startUp: StartUp;
  readonly releases: Releases;
}

interface Opened {
  readonly snapshots: SnapshotReader;
  /**
   * Publishes what is still on its way.
   * @throws where the broker did not take all of it in time
   */
  readonly closeDecisions: (drain: Drain) => Promise<void>;
}

type Names = Pick<Configuration, 'SCHEMA_REGISTRY_URL' | 'USAGE_SNAPSHOTS_TOPIC' | 'QUOTA_DECISIONS_TOPIC'>;

/** Until the snapshots are in, readiness says so and questions are denied as `unknown_tenant`. */
export async function openDeciding(
  config: Names,
  { connection, logger, metrics, health, startUp, releases }: DecidingTools,
): Promise<DecideParts & Opened> {
  const kafka = createKafka(connection);
  const registry = createRegistry(config.SCHEMA_REGISTRY_URL);
  const topic = config.QUOTA_DECISIONS_TOPIC;
  const schemaId = await startUp.waitFor(
    'the schema registry',
    () => registerDecisionSchema(registry, topic, AbortSignal.timeout(ATTEMPT_MS)),
    isRefusedForGood,
  );
  const publisher = new DecisionPublisher({ kafka, topic, encode: createDecisionEncoder(schemaId), logger });
  observeDecisionPublisher(metrics, publisher);
  const snapshots = readSnapshots({ kafka, registry, topic: config.USAGE_SNAPSHOTS_TOPIC, logger });
  releases.add('the usage snapshots', () => snapshots.close());
  // Not required: the other routes serve without, and this one says itself that it is blind.
  health.part('snapshots', () => whyBlind(snapshots.status()), { required: false });
  const gate = createGate({ snapshots });
  releases.add('the gate', () => gate.close());
  return {
    snapshots,
    closeDecisions: async ({ leftMs }) => {
      const unpublished = await publisher.close({ deadlineMs: leftMs * PUBLISH_SHARE });
      if (unpublished > 0)
        throw new Error(`the broker did not take ${unpublished} decisions in time: they are not kept`);
    },
    gate,
    keepDecision: (request, facts) => publisher.took(randomUUID(), request, facts),
    decided: decisionInstruments(metrics),
  };
}

const ATTEMPT_MS = 5_000;
/** Of a stop's time that is left; the rest is for saying what was lost, and for closing the stores. */
const PUBLISH_SHARE = 0.8;
/** The publisher's heartbeat comes each second. */
const MAX_AGE_MS = 10_000;

function whyBlind({ state, ageMs, error }: ReturnType<SnapshotReader['status']>): string | null {
  if (ageMs <= MAX_AGE_MS) return null;
  if (error !== null) return 'the broker does not answer';
  return state === 'catching_up' ? 'they are being read' : 'nothing was heard of them for 10 s';
}
