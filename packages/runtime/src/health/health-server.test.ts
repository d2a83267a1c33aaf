/**
 * Over real HTTP. Guarantees:
 * - /healthz and /readyz say what is the matter, in JSON, and the container's check passes it on.
 * - A part that is not required is said and does not make the service unready.
 * - Other paths and methods are refused; what fails inside is a 500 without its words.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createLogger } from '../logger.ts';
import { gauge } from '../metrics/definition.ts';
import { Metrics } from '../metrics/metrics.ts';
import { createScrub } from '../secrets.ts';
import { askHealth, scrape } from '../testing.ts';
import { serveHealth } from './health-server.ts';
import { Health, type Trouble } from './health.ts';

async function served(): Promise<{ url: string; health: Health; metrics: Metrics }> {
  const [health, metrics] = [new Health(), new Metrics()];
  health.exportTo(metrics);
  const logger = createLogger('test', 'silent');
  const server = await serveHealth({
    host: '127.0.0.1',
    port: 0,
    metrics,
    health,
    logger,
    scrub: createScrub(),
  });
  onTestFinished(() => server.close());
  return { url: server.url, health, metrics };
}

test('/healthz names what is stuck, and the container’s check fails with it', async () => {
  const { url, health } = await served();
  let stuck: Trouble[] = [];
  health.watch(() => stuck);
  expect(await askHealth(url, '/healthz')).toEqual({ status: 200, body: { alive: true, stuck: [] } });
  expect(await containerCheck(url)).toEqual({ code: 0, said: '' });
  stuck = [{ part: 'partition 3', reason: 'it stands' }];
  expect(await askHealth(url, '/healthz')).toEqual({ status: 503, body: { alive: false, stuck } });
  const checked = await containerCheck(url);
  expect(checked).toMatchObject({ code: 1 });
  expect(checked.said).toContain('partition 3');
  expect((await scrape(url)).value('meterhouse_stuck_parts')).toBe(1);
});

test('/readyz says which part is not ready and why; one that is not required does not fail it', async () => {
  const { url, health } = await served();
  let kafka: string | null = 'it is away';
  health.part('Kafka', () => kafka);
  health.part('mirror', () => 'ClickHouse is away', { required: false });
  const mirror = { part: 'mirror', ready: false, required: false, reason: 'ClickHouse is away' };
  expect(await askHealth(url, '/readyz')).toEqual({
    status: 503,
    body: { ready: false, parts: [{ part: 'Kafka', ready: false, required: true, reason: kafka }, mirror] },
  });
  kafka = null;
  expect(await askHealth(url, '/readyz')).toMatchObject({ status: 200, body: { ready: true } });
  const said = await scrape(url);
  expect(said.value('meterhouse_part_ready', { part: 'Kafka' })).toBe(1);
  expect(said.value('meterhouse_part_ready', { part: 'mirror' })).toBe(0);
});

test('what is not known has no sample', async () => {
  const { url, metrics } = await served();
  let known: number | null = null;
  metrics.value(gauge({ name: 'known', unit: 'things', help: 'What is known.' }), () => known);
  expect((await scrape(url)).value('known')).toBeUndefined();
  known = 0;
  expect((await scrape(url)).value('known')).toBe(0);
});

test('other paths and methods are refused, and failures keep their words to themselves', async () => {
  const { url, health } = await served();
  expect((await fetch(`${url}/`)).status).toBe(404);
  const posted = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' });
  expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  expect((await fetch(`${url}/healthz`, { method: 'HEAD' })).status).toBe(200);
  health.part('broken', () => {
    throw new Error('postgresql://ann:secret@host');
  });
  const failed = await fetch(`${url}/readyz`);
  expect([failed.status, await failed.json()]).toEqual([500, { error: 'see the log' }]);
});

async function containerCheck(url: string): Promise<{ code: unknown; said: string }> {
  const script = fileURLToPath(new URL('../../../../deploy/health.mjs', import.meta.url));
  const env = { METRICS_PORT: new URL(url).port, METRICS_HOST: '0.0.0.0' };
  const child = spawn(process.execPath, [script], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<unknown[]>]);
  return { code, said };
}
