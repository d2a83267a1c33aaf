/**
 * Traces of the whole pipeline: the API, the aggregator and the snapshot service as processes, the real
 * broker, Postgres and ClickHouse, and a collector that takes OTLP.
 * - One event that is posted under a caller's traceparent: the request, the send, the flush, the mirror's batch
 *   and the publisher's batch are connected, by parent or by link, and have the same correlation id.
 * - Its message carries one traceparent.
 * - No span says whose key it was, or how much was used.
 */
import { createKafka } from '@meterhouse/kafka';
import { Releases, waitFor } from '@meterhouse/runtime';
import { startCollector, type CollectedSpan } from '@meterhouse/runtime/testing';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commandBed, REGISTRY } from '../../packages/cli/src/testing.ts';

const DEADLINE = { deadlineMs: 120_000, everyMs: 100 };
const releases = new Releases();
afterAll(() => releases.releaseAll());
const collector = await startCollector();
releases.add('the collector', () => collector.close());
const bed = await commandBed({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });

let url: string;
let key: string;
beforeAll(async () => {
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
  const created = await bed.json(['keys', 'create', '--name', 'in', '--role', 'ingest', '--tenant', 'acme']);
  ({ key } = created as { key: string });
  await bed.startAggregator();
  url = await bed.startApi();
});

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const VALUE = '73.4125';

const spanOf = (name: string, matches: (span: CollectedSpan) => boolean): Promise<CollectedSpan> =>
  waitFor(name, () => collector.spans.find((span) => span.name === name && matches(span)), DEADLINE);
const place = ({ traceId, spanId }: CollectedSpan): string => `${traceId}/${spanId}`;

test('an event’s way is one: request, send, flush, mirror, snapshot', async () => {
  const response = await fetch(`${url}/v1/events`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', authorization: `Bearer ${key}` },
      ...{ 'x-correlation-id': 'order-7', traceparent: `00-${TRACE}-${CALLER}-01` },
    },
    body: JSON.stringify({ metric: 'tokens', value: VALUE, ts: new Date().toISOString() }),
  });
  expect(response.status).toBe(200);

  const request = await spanOf('POST /v1/events', () => true);
  expect(request).toMatchObject({
    service: 'meterhouse-api',
    traceId: TRACE,
    parentSpanId: CALLER,
    facts: {
      'http.route': '/v1/events',
      'http.response.status_code': 200,
      'meterhouse.correlation_id': 'order-7',
      'meterhouse.tenant_id': 'acme',
    },
  });
  const send = await spanOf('usage.send', ({ traceId }) => traceId === TRACE);
  expect(send).toMatchObject({
    parentSpanId: request.spanId,
    facts: { 'messaging.batch.message_count': 1, 'meterhouse.correlation_id': 'order-7' },
  });
  const flush = await spanOf('usage.flush', ({ links }) => links.includes(place(send)));
  expect(flush).toMatchObject({
    service: 'meterhouse-aggregator',
    facts: {
      'messaging.destination.name': bed.topic,
      'meterhouse.flush': 'committed',
      'meterhouse.counted': 1,
      'meterhouse.duplicates': 0,
      'meterhouse.quarantined': 0,
      'meterhouse.correlation_id': 'order-7',
    },
  });
  for (const [name, service] of [
    ['usage.mirror', 'meterhouse-aggregator'],
    ['snapshots.publish', 'meterhouse-quota-snapshot'],
  ] as const)
    expect(await spanOf(name, ({ links }) => links.includes(place(flush)))).toMatchObject({
      service,
      isError: false,
      facts: { 'meterhouse.correlation_id': 'order-7' },
    });

  expect(await headersOnTopic()).toEqual([{ traceparent: `00-${TRACE}-${send.spanId}-01` }]);
  const told = JSON.stringify(collector.spans);
  expect(told).not.toContain(key);
  expect(told).not.toContain(VALUE);
});

/** Of every message on the topic: there is one. */
async function headersOnTopic(): Promise<Record<string, string>[]> {
  const broker = bed.env['KAFKA_BROKERS'] ?? '';
  const kafka = createKafka({ brokers: [broker], clientId: 'traces', logger: pino({ level: 'silent' }) });
  const consumer = kafka.consumer({ groupId: `${bed.topic}_traces`, maxWaitTimeInMs: 200 });
  await consumer.connect();
  releases.add('the consumer', () => consumer.disconnect());
  await consumer.subscribe({ topics: [bed.topic], fromBeginning: true });
  const found: Record<string, string>[] = [];
  await consumer.run({
    eachMessage: ({ message }) => {
      const entries = Object.entries(message.headers ?? {});
      found.push(Object.fromEntries(entries.map(([name, value]) => [name, String(value)])));
      return Promise.resolve();
    },
  });
  return waitFor('the message', () => (found.length > 0 ? found : undefined), DEADLINE);
}
