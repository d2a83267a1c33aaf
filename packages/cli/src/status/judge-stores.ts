import type { ClickHouseFacts, KafkaFacts, PostgresFacts, RegistryFacts, StatusFacts } from './facts.ts';
import { note, ok, person, runbook, type Line } from './line.ts';

export function judgeStores({ kafka, registry, postgres, clickhouse, topic }: StatusFacts): readonly Line[] {
  return [
    kafka.answers
      ? judgeKafka(kafka.value, kafka.tookMs, topic)
      : person('Kafka', `does not answer (${kafka.reason})`, runbook('lag-growing')),
    registry.answers
      ? judgeRegistry(registry.value, registry.tookMs)
      : person('registry', `does not answer (${registry.reason})`, runbook('service-away')),
    postgres.answers
      ? judgePostgres(postgres.value, postgres.tookMs)
      : person('Postgres', `does not answer (${postgres.reason})`, runbook('lag-growing')),
    clickhouse.answers
      ? judgeClickHouse(clickhouse.value, clickhouse.tookMs)
      : person(
          'ClickHouse',
          `does not answer (${clickhouse.reason}); only the mirror waits`,
          runbook('clickhouse-mirror-behind'),
        ),
  ];
}

function judgeKafka({ brokers, ranges }: KafkaFacts, tookMs: number, topic: string): Line {
  const said = `${brokers} ${brokers === 1 ? 'broker' : 'brokers'}, ${tookMs} ms`;
  return ranges === null
    ? note('Kafka', `${said}; no topic ${topic} yet: the aggregator makes it when it starts`)
    : ok('Kafka', said);
}

function judgeRegistry({ hasEventSchema }: RegistryFacts, tookMs: number): Line {
  const said = `${tookMs} ms`;
  return hasEventSchema
    ? ok('registry', said)
    : note('registry', `${said}; no schema of usage events yet: the first service or producer brings it`);
}

function judgePostgres({ schema }: PostgresFacts, tookMs: number): Line {
  return schemaLine('Postgres', `${tookMs} ms`, schema);
}

function judgeClickHouse({ version, schema }: ClickHouseFacts, tookMs: number): Line {
  const said = `${version}, ${tookMs} ms`;
  if (schema.latest === null) return note('ClickHouse', `${said}; no tables yet: the mirror makes them`);
  return schemaLine('ClickHouse', said, schema);
}

function schemaLine(
  part: string,
  said: string,
  schema: { latest: string | null; pending: readonly string[]; unknown: readonly string[] },
): Line {
  if (schema.unknown.length > 0)
    return person(
      part,
      `${said}; its schema is newer: ${schema.unknown.join(', ')}`,
      'run the newer release',
    );
  if (schema.pending.length > 0)
    return person(part, `${said}; its schema lacks ${schema.pending.join(', ')}`, 'meterhouse migrate');
  return ok(part, `${said}, schema ${schema.latest?.replace(/\.sql$/, '') ?? 'none'}`);
}
