/**
 * Guarantee: what callers prove themselves by, and what is answered to them once, comes out of the API nowhere
 * else, at LOG_LEVEL=trace: whole API keys, good and wrong ones, signed tokens, secrets of webhooks (`whsec_`), the
 * database's password, the key that seals. Not in what it prints, not in problems, not in /metrics, not in
 * /readyz: while its parts are up, while the issuer of tokens fails, for bytes that are no HTTP, and after the
 * database has gone away under it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { postgresProxy } from '@meterhouse/postgres/proxy-testing';
import { waitFor } from '@meterhouse/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { commandBed, freePort } from '../../packages/cli/src/testing.ts';
import { startTokenIssuer } from '../../services/api/src/access/token-issuer.testing.ts';
import { startChild } from '../faults/processes/guarded-child.ts';

const bed = await commandBed();
const DEADLINE = { deadlineMs: 90_000, everyMs: 100 };
const PASSWORD = `c4nary-${randomBytes(8).toString('hex')}`;
const SEALING = randomBytes(32).toString('base64');

/** Bytes that are no HTTP, with a key in them. @returns what is answered */
async function sendBroken(port: number, bearer: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.end(`GET /v1/usage HTTP/1.1\r\nAuthorization: Bearer ${bearer}\r\nno header\r\n\r\n`);
  await once(socket, 'close');
  return answer;
}

test('secrets of requests and answers stand nowhere but in the answer that is for them', async () => {
  const role = `canary_${randomBytes(6).toString('hex')}`;
  await bed.pool.query(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${PASSWORD}'`);
  onTestFinished(async () => {
    await bed.pool.query(`DROP ROLE ${role}`);
  });
  await bed.json(['apply', '-f', await bed.file('registry.yaml', 'tenants: [{ id: acme, name: Acme }]')]);
  const made = await bed.json([
    ...['keys', 'create', '--name', 'canary', '--role', 'tenant_admin', '--tenant', 'acme', '--by', 'test'],
  ]);
  const { key } = z.object({ key: z.string() }).parse(made);

  const proxy = await postgresProxy(bed.env['DATABASE_URL'] ?? '');
  const through = new URL(proxy.url);
  [through.username, through.password] = [role, PASSWORD];
  const issuer = await startTokenIssuer();
  onTestFinished(() => issuer.close());
  const log = await bed.file('log', '');
  const [port, metricsPort] = [await freePort(), await freePort()];
  const child = startChild(new URL('../../services/api/src/main.ts', import.meta.url), log, {
    ...bed.env,
    DATABASE_URL: through.href,
    WEBHOOK_SECRET_KEY: SEALING,
    ...{ OIDC_ISSUER: issuer.issuer, OIDC_AUDIENCE: issuer.audience, OIDC_JWKS_URL: issuer.jwksUrl },
    ...{ API_PORT: `${port}`, METRICS_PORT: `${metricsPort}`, LOG_LEVEL: 'trace' },
  });
  onTestFinished(async () => {
    child.signal('SIGKILL');
    await child.ended;
  });
  const api = `http://127.0.0.1:${port}`;
  const said: string[] = [];
  const ask = async (bearer: string, path: string, init: RequestInit = {}) => {
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
    const answer = await fetch(`${api}${path}`, { ...init, headers });
    return { status: answer.status, text: await answer.text() };
  };
  const observed = async (): Promise<void> => {
    for (const url of [
      `${api}/readyz`,
      ...['metrics', 'readyz', 'healthz'].map((path) => `http://127.0.0.1:${metricsPort}/${path}`),
    ])
      said.push(await (await fetch(url)).text());
  };
  const listens = async () => ((await fetch(`${api}/healthz`)).ok ? true : undefined);
  await waitFor('the API to listen', listens, { ...DEADLINE, retryErrors: true });

  const body = JSON.stringify({ url: 'https://93.184.216.34/in', events: ['quota.denied'] });
  const webhook = await ask(key, '/v1/webhooks', { method: 'POST', body });
  expect(webhook.status, webhook.text).toBe(201);
  const { secret } = z.object({ secret: z.string().startsWith('whsec_') }).parse(JSON.parse(webhook.text));
  const wrongKey = `${key.slice(0, -8)}c4nary00`;
  const token = await issuer.token();
  const wrongToken = await issuer.token({ meterhouse_role: 'root' });
  const bearers = [key, wrongKey, token, wrongToken];
  /** Refused and failing, of every kind. */
  const everywhere = async (): Promise<number[]> => {
    const statuses: number[] = [];
    for (const bearer of bearers)
      for (const [path, init] of [
        ['/v1/webhooks', {}],
        ['/v1/webhooks', { method: 'POST', body: `{"url":"https://x","secret":"${secret}"` }],
        ['/v1/webhooks', { method: 'POST', body: `{"secret":"x"}` }],
        ['/v1/quarantine', {}],
        ['/v1/nothing', {}],
      ] as const) {
        const { status, text } = await ask(bearer, path, init);
        statuses.push(status);
        said.push(text);
      }
    return statuses;
  };
  // 503: whether a token is good cannot be found out without the issuer’s keys, and why is said too.
  issuer.answer(500, 'no keys today');
  expect(new Set(await everywhere())).toEqual(new Set([200, 400, 401, 404, 503]));
  issuer.answer();
  expect((await ask(token, '/v1/webhooks')).status).toBe(200);
  expect(new Set(await everywhere())).toEqual(new Set([200, 400, 401, 404]));
  for (const bearer of bearers) said.push(await sendBroken(port, bearer));
  await observed();

  await proxy.shut();
  // A good key is let in no more where it would take the database: by the requests that carry secrets.
  const [, , , quarantine] = await everywhere();
  expect(quarantine).toBeGreaterThanOrEqual(500);
  await observed();
  child.signal('SIGTERM');
  await child.ended;

  const output = await readFile(log, 'utf8');
  // What is looked through tells of these requests.
  expect(output).toContain('correlationId');
  const shaOf = createHash('sha256')
    .update(key.slice(key.lastIndexOf('_') + 1))
    .digest('hex');
  const signatures = [token, wrongToken].map((each) => each.slice(each.lastIndexOf('.') + 1));
  // As a buffer in an error would be written down.
  const asBytes = bearers.map((bearer) => [...Buffer.from(bearer)].join(','));
  for (const text of [output, ...said])
    for (const canary of [
      ...[...bearers, key.slice(-43), wrongKey.slice(-43), ...signatures, ...asBytes],
      ...[secret, secret.slice('whsec_'.length), PASSWORD, SEALING, shaOf],
    ])
      expect(text.includes(canary), text.slice(0, 2_000)).toBe(false);
}, 240_000);
