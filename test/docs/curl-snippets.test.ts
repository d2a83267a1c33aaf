/**
 * Guarantee: every curl command of the documentation is run by a test, and works as it stands there; the
 * README's three lines too. Pages with programs of their own (docs/producers/http.md, docs/finance/api.md)
 * have their own tests, which are named here.
 */
import { execFile } from 'node:child_process';
import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WEBHOOK_ID } from '../../services/api/src/documentation/operating-examples.ts';
import { exampleWorld, type World } from '../contract/world.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

interface CurlPage {
  readonly path: string;
  /** Bearer that the page asks for. */
  readonly key: 'platform' | 'tenant';
  readonly commands: number;
}

const PAGES: readonly CurlPage[] = [
  { path: 'docs/enforcement/webhooks.md', key: 'tenant', commands: 1 },
  // It replays what the page before has made.
  { path: 'docs/runbooks/webhooks-failing.md', key: 'platform', commands: 1 },
  { path: 'docs/security/http-api.md', key: 'platform', commands: 3 },
  { path: 'README.md', key: 'platform', commands: 3 },
];
const ELSEWHERE: Readonly<Record<string, string>> = {
  'docs/finance/api.md': 'services/api/src/routes/usage/documentation.test.ts',
  'docs/producers/http.md': 'test/docs/http-snippets.test.ts',
};

let world: World;
beforeAll(async () => {
  world = await exampleWorld();
  const of = { name: 'x', class: null, plan: null, status: 'active' };
  const documents = [
    { kind: 'tenant', document: { ...of, id: 'acme-support', parent: 'acme' } },
    {
      kind: 'metric',
      document: {
        ...{ name: 'llm.input_tokens', unit: 'token', aggregation: 'sum', scale: 0 },
        ...{ family: 'token_request', groupBy: ['model'] },
      },
    },
    {
      kind: 'product',
      document: {
        ...{ id: 'inference', name: 'x', dimensions: [{ metric: 'llm.input_tokens', unit: 'token' }] },
        actions: [{ resourceType: 'model', action: 'call', launchSensitive: false }],
      },
    },
  ];
  const body = JSON.stringify({ documents, reason: 'as "npm start" has them' });
  const headers = { 'content-type': 'application/json' };
  const applied = await world.api.call('platform', '/v1/registry/apply', { method: 'POST', headers, body });
  expect(applied.status).toBe(200);
  await world.learn();
});
afterAll(() => world.close());

async function commandsOf(path: string): Promise<string[]> {
  const page = await readFile(`${ROOT}${path}`, 'utf8');
  const blocks = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, text = '']) => text);
  // A command goes on where its quotes or a backslash do; the next begins with curl.
  return blocks.flatMap((block) =>
    block
      .split(/^(?=curl )/m)
      .filter((text) => text.startsWith('curl '))
      .map((text) => text.trim()),
  );
}

it('no page with curl commands to the API is left out', async () => {
  const found: string[] = [];
  for await (const path of glob(['README.md', 'docs/**/*.md'], { cwd: ROOT }))
    if (/\bcurl .*\$(API|URL|METERHOUSE_API)\b/.test(await readFile(`${ROOT}${path}`, 'utf8')))
      found.push(path);
  expect(found.sort()).toEqual([...PAGES.map(({ path }) => path), ...Object.keys(ELSEWHERE)].sort());
  for (const test of Object.values(ELSEWHERE))
    expect(await readFile(`${ROOT}${test}`, 'utf8')).toContain('docs/');
});

it.each(PAGES)('the commands of $path work as written', async ({ path, key, commands }) => {
  const texts = await commandsOf(path);
  expect(texts).toHaveLength(commands);
  for (const text of texts) {
    // With a correlation id of the caller's, the next id goes to what is made.
    world.nextIds = path.endsWith('webhooks.md') ? [WEBHOOK_ID] : [];
    const curl = `curl() { command curl --fail-with-body -sS -H 'X-Correlation-Id: page' "$@"; }`;
    const env = {
      ...{ PATH: process.env['PATH'] ?? '', API: world.api.url, KEY: key },
      ...{ ID: WEBHOOK_ID, TENANT: 'acme' },
    };
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', `${curl}\n${text}`], {
      env,
    });
    expect(JSON.parse(stdout)).toBeTypeOf('object');
  }
});
