/**
 * Guarantees of traces in a service's process:
 * - Without the one variable nothing of OpenTelemetry's SDK is loaded; with it, spans arrive.
 * - A caller's decision to keep a trace or not is kept to; what goes back to a kept trace is kept,
 *   whatever the share is.
 * - A collector that is away costs spans, which are counted, and bounded memory; the service is not told,
 *   its log hears of it ever more rarely, and its end is not held up, neither by one that is frozen.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Metrics } from '../metrics/metrics.ts';
import { waitFor } from '../waiting.ts';
import { startCollector, type Collector } from './collector.testing.ts';
import { BoundedQueue, CountingExporter, SpanTally } from './counted-export.ts';
import { openTraces, type Traces } from './open-traces.ts';
import { LinkSet, type SpanStart } from './span.ts';

const HOOKS = fileURLToPath(new URL('loaded-modules.testing.ts', import.meta.url));
const SERVICE = fileURLToPath(new URL('../service/waiting-service.testing.ts', import.meta.url));
const silent = pino({ level: 'silent' });

async function runService(env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, ['--import', HOOKS, SERVICE], {
    env: { PATH: process.env['PATH'] ?? '', STORE_URL: 'http://up', METRICS_PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  let told = false;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (told || !output.includes('"msg":"running"')) return;
    told = true;
    child.kill('SIGTERM');
  });
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(0);
  return output;
}

test('without the variable nothing of the SDK is loaded, and with it alone traces are on', async () => {
  const off = await runService({});
  // prom-client loads the API, which does nothing by itself.
  expect(off).toMatch(/opentelemetry: \[(?:api)?\]/);
  const on = await runService({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
  expect(on).toMatch(/opentelemetry: \[api .*sdk-trace/);
  expect(on).toContain('"msg":"making traces"');
});

const KEPT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
const NOT_KEPT = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`;

let collector: Collector;
let traces: Traces;
const serviceMetrics = new Metrics();
beforeAll(async () => {
  collector = await startCollector();
  const settings = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: { 'x-key': 'k' },
    OTEL_TRACES_SAMPLER_ARG: 0,
  };
  const opened = await openTraces('test', settings, { logger: silent, metrics: serviceMetrics });
  if (opened === null) throw new Error('traces are off');
  traces = opened;
});
afterAll(() => collector.close());

test('a caller’s decision and a kept link go before the share; texts that are no context count as none', async () => {
  const links = new LinkSet();
  for (const text of [KEPT, KEPT, NOT_KEPT, 'x', `00-${'0'.repeat(32)}-${'b'.repeat(16)}-01`, `${KEPT}-more`])
    links.add(text);
  expect(links.size).toBe(1);
  const begun = (name: string, start: Omit<SpanStart, 'kind'>): string | null => {
    const span = traces.beginSpan(name, { kind: 'server', ...start });
    span.end({ a: 1 });
    return span.traceparent;
  };
  expect(begun('of nobody', {})).toBe(null);
  expect(begun('not kept', { parent: NOT_KEPT })).toBe(null);
  expect(begun('not valid', { parent: `${KEPT}-more` })).toBe(null);
  expect(begun('kept', { parent: KEPT })).toMatch(/^00-a{32}-[0-9a-f]{16}-01$/);
  expect(begun('linked', { links })).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  await waitFor('both', () => (collector.spans.length >= 2 ? true : undefined), { deadlineMs: 30_000 });
  expect(collector.spans).toMatchObject([
    { service: 'meterhouse-test', name: 'kept', parentSpanId: 'b'.repeat(16), facts: { a: 1 } },
    { name: 'linked', parentSpanId: null, links: [`${'a'.repeat(32)}/${'b'.repeat(16)}`] },
  ]);
  expect(collector.headers[0]).toMatchObject({ 'x-key': 'k' });
});

test('links are bounded, and what found no room is counted', async () => {
  const links = new LinkSet();
  for (let n = 1; n <= 40; n++) links.add(`00-${'a'.repeat(32)}-${n.toString(16).padStart(16, '0')}-01`);
  traces.beginSpan('many', { kind: 'consumer', links }).end();
  const many = await waitFor('it', () => collector.spans.find(({ name }) => name === 'many'), {
    deadlineMs: 30_000,
  });
  expect(many.links).toHaveLength(32);
  expect(many.facts['meterhouse.links_left_out']).toBe(8);
});

test('a collector that is away: spans are bounded and counted, the log hears rarely, the end is not held up', async () => {
  await collector.close();
  const metrics = new Metrics();
  const lines: string[] = [];
  const tally = new SpanTally(metrics, pino({ level: 'warn' }, { write: (line) => void lines.push(line) }));
  const { BatchSpanProcessor, TracerProvider } = await import('@opentelemetry/sdk-trace');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const away = new CountingExporter(
    new OTLPTraceExporter({ url: `${collector.url}/v1/traces`, timeoutMillis: 200 }),
    tally,
  );
  const batches = new BatchSpanProcessor({
    ...{ exporter: away, maxQueueSize: 100, maxExportBatchSize: 10, scheduledDelayMillis: 1 },
  });
  const tracer = new TracerProvider({ spanProcessors: [new BoundedQueue(batches, tally, 100)] }).getTracer(
    't',
  );
  let most = 0;
  for (let n = 0; n < 10_000; n++) {
    tracer.startSpan('s').end();
    most = Math.max(most, tally.waiting);
  }
  expect(most).toBe(100);
  const lost = async (): Promise<number> => {
    const counts = (await metrics.text()).matchAll(/_spans_total\{outcome="(?:failed|dropped)"\} (\d+)/g);
    return Array.from(counts, ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0);
  };
  await waitFor('all to be counted', async () => ((await lost()) === 10_000 ? true : undefined), {
    deadlineMs: 60_000,
  });
  expect(lines.length).toBeLessThanOrEqual(4);
  // The same of what a service is started with: what is beyond its queue is dropped, and counted.
  for (let n = 0; n < 10_000; n++) traces.beginSpan('last', { kind: 'server', parent: KEPT }).end();
  expect(await serviceMetrics.text()).toMatch(/_spans_total\{outcome="dropped"\} 7\d{3}\b/);
  // What waits for a collector that is away waits no longer than it may.
  await traces.close(50);
});

test('a collector that is frozen does not hold up the end of a service either', async () => {
  const asked = Promise.withResolvers<undefined>();
  const frozen = createServer(() => asked.resolve(undefined));
  frozen.listen(0, '127.0.0.1');
  await once(frozen, 'listening');
  onTestFinished(() => {
    frozen.closeAllConnections();
    frozen.close();
  });
  const { port } = frozen.address() as AddressInfo;
  // Less than the export that waits would take.
  const output = await runService({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    DRAIN_TIMEOUT_MS: '8000',
  });
  await asked.promise;
  expect(output).toContain('the last spans were not delivered');
});
