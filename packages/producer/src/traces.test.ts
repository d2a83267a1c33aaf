/**
 * Guarantees of a meter's traces, on a real broker and with a collector that takes OTLP:
 * - Where nobody has registered OpenTelemetry's API, nothing of it is loaded and no message has a header.
 * - Events of one request are sent under it. Those of several are linked to, and each message carries the
 *   context that its own event was recorded in; an event of no request, or of one whose trace is not kept,
 *   carries the send's. So it is also when they were spooled by a process that has ended since, or in a
 *   file from before contexts were kept.
 * - A correlation id that the API would not let in does not stand in a span.
 * - A collector that is away neither fails nor holds up a record.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { sharedStack } from '@meterhouse/dev-stack/testing';
import { waitFor } from '@meterhouse/runtime';
import { Metrics } from '@meterhouse/runtime/metrics';
import { openTraces, startCollector, type Traces } from '@meterhouse/runtime/testing';
import type { Span } from '@meterhouse/runtime/tracing';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { createMeter } from './create-meter.ts';
import { spoolFilesIn } from './spool/spool-folder.ts';
import { newTopic, readTopic } from './testing.ts';

const endpoints = await sharedStack();
const HOOKS = fileURLToPath(new URL('../../runtime/src/tracing/loaded-modules.testing.ts', import.meta.url));
const SENDER = fileURLToPath(new URL('sending-process.testing.ts', import.meta.url));
const collector = await startCollector();

async function openMeter() {
  const { target, topic, kafka } = await newTopic(endpoints, 1);
  const meter = createMeter({ adapter: 'kafka', kafka: target, source: 'traces-test' });
  onTestFinished(async () => {
    await meter.close({ deadlineMs: 0 });
  });
  return { meter, topic, read: () => readTopic(endpoints, kafka, topic), target };
}

test('where nobody traces, nothing is loaded and a message has no header', async () => {
  const { target, read } = await openMeter();
  const child = spawn(process.execPath, ['--import', HOOKS, SENDER, JSON.stringify(target)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(output).toContain('opentelemetry: []');
  expect(await read()).toMatchObject([{ headers: {}, event: { id: 'sent' } }]);
});

let tracing: Promise<Traces | null> | null = null;

/**
 * A span of a request. From the first on, OpenTelemetry is registered in this process.
 * @param parent of its caller, which says whether its trace is kept
 */
async function request(parent?: string): Promise<Span> {
  tracing ??= openTraces(
    'test',
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_HEADERS: {},
      OTEL_TRACES_SAMPLER_ARG: 1,
    },
    { logger: pino({ level: 'silent' }), metrics: new Metrics() },
  );
  const traces = await tracing;
  if (traces === null) throw new Error('traces are off');
  return traces.beginSpan('request', { kind: 'server', parent });
}

const sendTo = (topic: string) =>
  waitFor(
    'the send',
    () =>
      collector.spans.find(
        ({ name, facts }) => name === 'usage.send' && facts['messaging.destination.name'] === topic,
      ),
    { deadlineMs: 30_000 },
  );
const partsOf = (traceparent: string | null): string[] => traceparent?.split('-').slice(1, 3) ?? [];

test('the events of one request are sent under it', async () => {
  const { meter, topic, read } = await openMeter();
  const span = await request();
  const event = { tenantId: 'acme', metric: 'm', correlationId: 'c-1' };
  await span.run(async () => {
    await Promise.resolve();
    await meter.record(event);
  });
  span.end();
  const send = await sendTo(topic);
  const [traceId, spanId] = partsOf(span.traceparent);
  expect(send).toMatchObject({ traceId, parentSpanId: spanId, links: [] });
  expect(send.facts['meterhouse.correlation_id']).toBe('c-1');
  const [message] = await read();
  expect(message?.headers).toEqual({ traceparent: `00-${traceId}-${send.spanId}-01` });
});

test('those of several are linked to, and each message carries its own', async () => {
  const { meter, topic, read } = await openMeter();
  const [one, other] = [await request(), await request()];
  const add = (id: string) => meter.add({ id, tenantId: 'acme', metric: 'm' });
  one.run(() => add('of-one'));
  other.run(() => add('of-other'));
  one.run(() => add('of-one-too'));
  add('of-none');
  await meter.flush();
  const send = await sendTo(topic);
  expect(send.parentSpanId).toBe(null);
  expect(send.links).toEqual([one, other].map(({ traceparent }) => partsOf(traceparent).join('/')));
  const carried = (await read()).map(({ event, headers }) => [event.id, headers['traceparent']]);
  expect(carried).toEqual([
    ['of-one', one.traceparent],
    ['of-other', other.traceparent],
    ['of-one-too', one.traceparent],
    ['of-none', `00-${send.traceId}-${send.spanId}-01`],
  ]);
});

test('what was spooled is sent under its request, also by the next process', async () => {
  const { target, read } = await openMeter();
  const folder = await mkdtemp(join(tmpdir(), 'meterhouse-traces-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const spooling = (kafka: typeof target) =>
    createMeter({ adapter: 'kafka', kafka, source: 'traces-test', delivery: 'spool', spool: { folder } });
  // Nobody listens there: what it takes stays on disk.
  const before = spooling({ ...target, brokers: ['127.0.0.1:1'] });
  const span = await request();
  span.run(() => before.add({ id: 'spooled', tenantId: 'acme', metric: 'm' }));
  before.add({ id: 'of-none', tenantId: 'acme', metric: 'm' });
  await before.close({ deadlineMs: 0 });
  const database = new DatabaseSync(spoolFilesIn(folder)[0] ?? '');
  // As a version before this one wrote them, and as somebody else may have.
  database.exec(`INSERT INTO events (seq, at, bytes, event)
    SELECT seq + 10, at, bytes, replace(event, 'of-none', 'older') FROM events WHERE event LIKE '%of-none%';
    INSERT INTO events (seq, at, bytes, event, traceparent)
    SELECT seq + 20, at, bytes, replace(event, 'of-none', 'garbled'), 'no-' || char(10) || 'context' FROM events WHERE event LIKE '%of-none%'`);
  database.close();
  const after = spooling(target);
  onTestFinished(async () => {
    await after.close({ deadlineMs: 0 });
  });
  after.add({ id: 'last', tenantId: 'acme', metric: 'm' });
  await after.flush();
  await waitFor('the file of before', () => (after.counters().acknowledged >= 5 ? true : undefined), {
    deadlineMs: 30_000,
  });
  const carried = Object.fromEntries(
    (await read()).map(({ event, headers }) => [event.id, headers['traceparent']]),
  );
  expect(carried['spooled']).toBe(span.traceparent);
  const own = expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/) as string;
  expect(carried).toEqual({ spooled: span.traceparent, 'of-none': own, older: own, garbled: own, last: own });
  const traceId = carried['of-none']?.split('-')[1];
  await waitFor(
    'the send that it was part of',
    () => collector.spans.find((each) => each.name === 'usage.send' && each.traceId === traceId),
    { deadlineMs: 30_000 },
  );
});

test('an event of a request that its caller does not keep carries the send’s', async () => {
  const { meter, topic, read } = await openMeter();
  const span = await request('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00');
  expect(span.traceparent).toBe(null);
  await span.run(() => meter.record({ tenantId: 'acme', metric: 'm' }));
  const send = await sendTo(topic);
  expect(send).toMatchObject({ parentSpanId: null, links: [] });
  const [message] = await read();
  expect(message?.headers).toEqual({ traceparent: `00-${send.traceId}-${send.spanId}-01` });
});

test('a correlation id of any form is sent, and only one of ours stands in the span', async () => {
  const { meter, topic, read } = await openMeter();
  const span = await request();
  const correlationId = 'jane.doe@example.com, 4111 1111 1111 1111';
  await span.run(() => meter.record({ tenantId: 'acme', metric: 'm', correlationId }));
  expect((await sendTo(topic)).facts).not.toHaveProperty('meterhouse.correlation_id');
  expect(await read()).toMatchObject([{ event: { correlationId } }]);
});

test('a collector that is away neither fails nor holds up a record', async () => {
  await collector.close();
  const { meter } = await openMeter();
  const span = await request();
  await span.run(() => meter.record({ tenantId: 'acme', metric: 'm' }));
  expect(meter.counters()).toMatchObject({ acknowledged: 1, retries: 0 });
});
