import { lagJson } from '../lag/lag-text.ts';
import type { Json } from '../output/output.ts';
import type { Asked, ServiceFacts, StatusFacts } from './facts.ts';
import type { Status } from './judge.ts';

export function statusJson(status: Status, facts: StatusFacts): Json {
  const { kafka, registry, postgres, clickhouse } = facts;
  const system = postgres.answers ? postgres.value.system : null;
  return {
    verdict: status.verdict,
    at: new Date(status.at).toISOString(),
    lines: status.lines.map(({ part, state, says, next }) => ({ part, state, says, next })),
    stores: {
      kafka: answer(kafka),
      schemaRegistry: answer(registry),
      postgres: answer(postgres),
      clickhouse: answer(clickhouse),
    },
    schemas: {
      postgres: postgres.answers ? schemaJson(postgres.value.schema) : null,
      clickhouse: clickhouse.answers ? schemaJson(clickhouse.value.schema) : null,
    },
    services: facts.services.map(serviceJson),
    lag: status.lag === null ? null : countingJson(status.lag, kafka),
    leaders: system === null ? null : { ...system.leaders },
    quarantine:
      system?.quarantine.map(({ reason, events, oldest, newest }) => ({
        reason,
        events,
        oldest: oldest.toISOString(),
        newest: newest.toISOString(),
      })) ?? null,
    decisionLog:
      system?.decisions.map((one) => ({
        topic: one.topic,
        partition: one.partition,
        behind: one.behind.toString(),
        lost: one.lost,
        completeThrough: one.completeThrough?.toISOString() ?? null,
        lookedAt: one.lookedAt.toISOString(),
      })) ?? null,
    webhooks:
      system === null
        ? null
        : {
            ...system.webhooks,
            overdueSince: system.webhooks.overdueSince?.toISOString() ?? null,
            lastDead: system.webhooks.lastDead?.toISOString() ?? null,
          },
    auditHead: system === null ? null : { seq: system.audit.seq.toString(), hash: system.audit.hash },
  };
}

/** The same as `lag`, but the quarantine, which has a bound here. */
function countingJson(lag: NonNullable<Status['lag']>, kafka: Asked<unknown>): Json {
  const { quarantine: _, ...counting } = lagJson(lag, kafka.answers ? null : kafka.reason);
  return counting;
}

function answer(asked: Asked<unknown>): Json {
  return asked.answers
    ? { answers: true, tookMs: asked.tookMs, reason: null }
    : { answers: false, tookMs: null, reason: asked.reason };
}

function schemaJson(schema: {
  latest: string | null;
  pending: readonly string[];
  unknown: readonly string[];
}): Json {
  return { latest: schema.latest, pending: schema.pending, unknown: schema.unknown };
}

function serviceJson({ name, url, running, health }: ServiceFacts): Json {
  return {
    name,
    url,
    running,
    answers: health.answers,
    reason: health.answers ? null : health.reason,
    stuck: health.answers ? health.value.stuck : null,
    waiting: health.answers ? health.value.waiting.map((part) => ({ ...part })) : null,
  };
}
