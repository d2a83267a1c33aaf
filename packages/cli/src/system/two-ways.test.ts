/**
 * Guarantees, on a real system with its API:
 * - whatever the command does through the API, it does as through the stores: the same words, the same JSON,
 *   the same exit code
 * - what only the stores can do says so and ends with 2, before anything is done
 * - a tenant's key sees and reaches that tenant and what is below it, and nothing else
 * - over the API nobody acts in another's name; the key stands in no output, whatever goes wrong
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { anEvent, commandBed, freePort, type Answer } from '../testing.ts';

const bed = await commandBed();
let api: string;
const keyOf: Record<string, string> = {};

type Way = 'stores' | 'api';
const WAYS: readonly Way[] = ['stores', 'api'];

/** The command over one of the two ways; over the API with a key of the platform, or of somebody else. */
function run(way: Way, args: readonly string[], key = 'admin'): Promise<Answer> {
  if (way === 'stores') return bed.run(...args);
  return bed.runWith({ METERHOUSE_API_URL: api, METERHOUSE_API_KEY: keyOf[key] ?? '' }, ...args);
}

async function json<T>(way: Way, args: readonly string[], key?: string): Promise<T> {
  const answer = await run(way, [...args, '--json'], key);
  if (answer.exitCode !== 0) throw new Error(`${way}: ${answer.exitCode} ${answer.stderr}`);
  return JSON.parse(answer.stdout) as T;
}

/** Whom the command names; the API knows it from the key. */
const by = (way: Way): string[] => (way === 'stores' ? ['--by', 'ann'] : []);

const REGISTRY = `
tenants: [{ id: acme, plan: small }, { id: acme-dev, parent: acme }, { id: lumen, plan: small }]
metrics:
  - { name: tokens, unit: token, aggregation: sum, scale: 2, family: token_request, groupBy: [model] }
  - { name: seats, unit: seat, aggregation: latest, scale: 0, family: compute }
products:
  - id: ai
    name: AI
    dimensions: [{ metric: tokens, unit: token }]
    actions: [{ resourceType: model, action: call, launchSensitive: false }]
accessRules: [{ id: members, effect: allow, actors: { roles: [member] } }]
plans:
  - id: small
    name: Small
    limits: [{ metric: tokens, period: month, value: '100000' }]
    entitlements: [{ product: ai, resourceType: model, action: call }]
pools: [{ id: gpu, unit: gpu, size: 8 }]
`;

beforeAll(async () => {
  await bed.startAggregator();
  await bed.json(['apply', '-f', await bed.file('registry.yaml', REGISTRY)]);
  const make = async (name: string, ...args: string[]) => {
    keyOf[name] = ((await bed.json(['keys', 'create', '--name', name, ...args])) as { key: string }).key;
  };
  await make('admin', '--role', 'platform_admin');
  await make('acme', '--role', 'tenant_admin', '--tenant', 'acme');
  await make('lumen', '--role', 'tenant_admin', '--tenant', 'lumen');
  await make('reader', '--role', 'tenant_reader', '--tenant', 'acme');
  const at = Date.now() - 1_000;
  const events = ['acme', 'acme-dev', 'lumen'].flatMap((tenantId, n) => [
    anEvent({ id: `t-${tenantId}`, tenantId, metric: 'tokens', value: `${n + 1}.25`, ts: at }),
    anEvent({ id: `s-${tenantId}`, tenantId, metric: 'seats', value: `${7 - n}`, ts: at + n }),
  ]);
  const waiting = ['acme', 'acme-dev', 'lumen', 'nobody'].map((tenantId) =>
    anEvent({ id: `q-${tenantId}`, tenantId, metric: 'unheard.of' }),
  );
  await bed.send([...events, ...waiting].map((event) => bed.encode(event)));
  const reserve = ['reservations', 'reserve', '--pool', 'gpu', '--tenant', 'acme', '--units', '2'];
  await bed.json([...reserve, '--key', 'k', '--ttl', '1h', '--by', 'ann']);
  await counted();
  api = await bed.startApi();
}, 180_000);

/** An import of nothing waits for everything that the topic held. */
async function counted(): Promise<void> {
  await bed.json(['import', await bed.file('nothing.jsonl', ''), '--wait']);
}

describe('what is only looked at comes out the same, for people and for programs', () => {
  const span = ['--since', '7d'];
  test.each([
    [['usage', 'show', '--tenant', 'acme', ...span]],
    [['usage', 'show', '--tenant', 'acme', '--descendants', '--by', 'day', ...span]],
    [['usage', 'show', '--tenant', 'acme', '--descendants', '--metric', 'seats', '--by', 'hour', ...span]],
    [['usage', 'show', '--tenant', 'nobody']],
    [['limits', 'show', '--tenant', 'acme-dev']],
    [['limits', 'show', '--tenant', 'nobody']],
    [['limits', 'show', '--tenant', 'acme', '--metric', 'unheard.of']],
    [['registry', 'audit', '--kind', 'tenant']],
    [['registry', 'audit', '--limit', '2']],
    [['keys', 'list', '--tenant', 'acme']],
    [['keys', 'list', '--limit', '1']],
    [['keys', 'list', '--tenant', 'nobody']],
    [['audit', 'list', '--action', 'key.create']],
    [['audit', 'list', '--action', 'key.create', '--tenant', 'acme', '--limit', '1']],
    [['quarantine', 'list']],
    [['quarantine', 'list', '--tenant', 'acme']],
    [['quarantine', 'list', '--tenant', 'nobody', '--reason', 'unknown_tenant']],
    [['quarantine', 'list', '--limit', '2', '--after', '1']],
    [['quarantine', 'list', '--status', 'counted', '--status', 'discarded']],
    [['quarantine', 'show', '999999']],
    [['decisions', 'list', '--since', '24h']],
    [['decisions', 'explain', '0199a0b4-0000-7000-8000-000000000000']],
    [['reservations', 'list']],
    [['reservations', 'list', '--tenant', 'lumen']],
    [['reservations', 'list', '--state', 'released', '--after', '5']],
  ])('%j', async (args) => {
    for (const form of [[], ['--json']]) {
      const [first, second] = [await run('stores', [...args, ...form]), await run('api', [...args, ...form])];
      // What goes on by itself: the watermark, and when a key was last used.
      const settled = (text: string) =>
        text
          .replace(/complete through [^,\n]*(, \d+ events? behind)?/g, 'complete through T')
          .replace(/"completeThrough":"[^"]*","eventsBehind":[^,]*/g, '"completeThrough":"T"')
          .replace(/"lastUsedAt":[^,]*/g, '"lastUsedAt":T')
          .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'T');
      expect(second.exitCode).toBe(first.exitCode);
      expect(settled(second.stdout)).toBe(settled(first.stdout));
      expect(second.stderr === '').toBe(first.stderr === '');
    }
  });
});

describe.each(WAYS)('through the %s', (way) => {
  const mine = `mine-${way}`;
  interface Planned {
    readonly dryRun: boolean;
    readonly entries: readonly { name: string; change: string; details: string[] }[];
  }
  const changes = ({ entries }: Planned) => entries.map(({ name, change }) => [name, change]);

  test('apply says what changes, refuses with the place in the file, and changes nothing then', async () => {
    const file = await bed.file(`${way}.yaml`, `tenants: [{ id: ${mine}, parent: acme }, { id: lumen }]`);
    const apply = ['apply', '-f', file, ...by(way)];
    expect(changes(await json(way, [...apply, '--dry-run']))).toEqual([
      [mine, 'created'],
      ['lumen', 'unchanged'],
    ]);
    expect(changes(await json(way, apply))).toEqual([
      [mine, 'created'],
      ['lumen', 'unchanged'],
    ]);
    expect(changes(await json(way, apply))).toEqual([
      [mine, 'unchanged'],
      ['lumen', 'unchanged'],
    ]);
    const bad = await bed.file('bad.yaml', `tenants: [{ id: x-${way}, parent: nowhere }]`);
    const refused = await run(way, ['apply', '-f', bad, ...by(way)]);
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining('tenants[0].parent: ')]);
  });

  test('limits are set, narrowed, raised by right only, and ended', async () => {
    const why = ['--why', 'a test', ...by(way)];
    const set = ['limits', 'set', '--tenant', mine, '--class', 'internal', ...why];
    expect(changes(await json(way, set))).toEqual([[mine, 'changed']]);
    const limit = ['--tenant', mine, '--metric', 'tokens', '--period', 'month', '--reason', 'a test'];
    const override = ['limits', 'override', ...limit, ...by(way)];
    const id = `${mine}/tokens/month`;
    expect(changes(await json(way, [...override, '--value', '5']))).toEqual([[id, 'created']]);
    const raise = [...override, '--value', '500', '--raise'];
    expect((await run(way, raise)).exitCode).toBe(1);
    expect(changes(await json(way, [...raise, '--privileged']))).toEqual([[id, 'changed']]);
    expect(changes(await json(way, ['limits', 'end-override', id, ...why]))).toEqual([[id, 'changed']]);
    expect((await run(way, ['limits', 'end-override', id, ...why])).exitCode).toBe(1);
    expect(changes(await json(way, ['registry', 'remove', 'override', id, ...why]))).toEqual([
      [id, 'removed'],
    ]);
    expect((await run(way, ['registry', 'remove', 'override', id, ...why])).exitCode).toBe(1);
  });

  test('a key is made, rotated and ended, and told once each time', async () => {
    const create = ['keys', 'create', '--role', 'ingest', '--tenant', mine, ...by(way)];
    const made = await json<{ id: string; key: string; expiresAt: string | null }>(way, [
      ...create,
      '--expires',
      '90d',
    ]);
    expect(made).toMatchObject({ role: 'ingest', tenant: mine, state: 'valid', name: 'ingest' });
    const rotated = await json<typeof made>(way, ['keys', 'rotate', made.id, '--overlap', '1h', ...by(way)]);
    expect([rotated.id, rotated.key === made.key]).toEqual([made.id, false]);
    expect(await json(way, ['keys', 'list', '--tenant', mine])).toMatchObject({ keys: [{ id: made.id }] });
    expect(await json(way, ['keys', 'revoke', made.id, ...by(way)])).toMatchObject({ state: 'revoked' });
    const again = await run(way, ['keys', 'revoke', made.id, ...by(way)]);
    expect([again.exitCode, again.stderr]).toEqual([
      1,
      expect.stringContaining(`there is no key ${made.id}`),
    ]);
    expect((await run(way, ['keys', 'create', '--role', 'ingest', ...by(way)])).exitCode).toBe(2);
  });

  test('an import is sent once, and counts once however often it is sent', async () => {
    const rows = Array.from({ length: 1_201 }, (_, n) => {
      const tenantId = n === 7 ? 'acme' : mine;
      return JSON.stringify({
        tenantId,
        metric: 'tokens',
        value: '0.5',
        ts: new Date(Date.now() - n).toISOString(),
      });
    });
    const file = await bed.file(`${way}.jsonl`, [...rows, '{"metric": "tokens", "value": "x"}'].join('\n'));
    const first = await run(way, ['import', file, '--json']);
    expect(first.exitCode).toBe(1);
    expect(JSON.parse(first.stdout)).toMatchObject({
      files: [{ rows: 1_202, events: 1_201, acknowledged: 1_201, notAcknowledged: 0, refusedRows: 1 }],
      refused: [{ line: 1_202 }],
    });
    expect((await run(way, ['import', file, '--allow-bad'])).exitCode).toBe(0);
    await counted();
    expect(await json(way, ['usage', 'show', '--tenant', mine])).toMatchObject({
      rows: [{ usage: '600', events: '1200' }],
    });
  });

  test('quarantined events are shown, replayed with their outcome, and discarded', async () => {
    const add = (id: string) =>
      bed.encode(anEvent({ id: `${id}-${way}`, tenantId: mine, metric: `m.${way}` }));
    await bed.send([add('a'), add('b')]);
    await counted();
    const which = ['--tenant', mine, '--reason', 'unknown_metric'];
    const { events } = await json<{ events: { id: string }[] }>(way, ['quarantine', 'list', ...which]);
    expect(events).toHaveLength(2);
    const id = events[0]?.id ?? '';
    expect(await json(way, ['quarantine', 'show', id])).toMatchObject({ id, history: [] });
    const replay = ['quarantine', 'replay', '--id', id, '--wait', ...by(way)];
    const outcomes = { counted: '0', duplicate: '0', stillRefused: '1', discarded: '0', pending: '0' };
    expect(await json(way, replay)).toEqual({ requested: 1, outcomes });
    const discard = ['quarantine', 'discard', ...which, '--because', 'a test', ...by(way)];
    expect(await json(way, discard)).toEqual({ discarded: 2 });
    expect(await json(way, discard)).toEqual({ discarded: 0 });
    expect((await run(way, ['quarantine', 'discard', '--because', 'x', ...by(way)])).exitCode).toBe(2);
  });

  test('decide answers, says why, and ends with 1 for a denial', async () => {
    const ask = [
      'decide',
      '--tenant',
      'acme',
      '--metric',
      'tokens',
      '--actor',
      'user:ann',
      '--explain',
      '--json',
    ];
    const allowed = await run(way, [...ask, '--delta', '2', '--role', 'member']);
    expect([allowed.exitCode, JSON.parse(allowed.stdout)]).toMatchObject([
      0,
      { outcome: 'allow', reason: 'ok' },
    ]);
    const denied = await run(way, [...ask, '--delta', '200000', '--role', 'member']);
    expect([denied.exitCode, JSON.parse(denied.stdout)]).toMatchObject([
      1,
      {
        outcome: 'deny',
        reason: 'quota_exhausted',
        ceiling: { scope: 'acme', value: '100000' },
        walk: expect.any(Array) as unknown,
      },
    ]);
  });
});

test('what only the stores can do says so, and ends with 2', async () => {
  for (const args of [
    ['migrate'],
    ['lag'],
    ['status'],
    ['reconcile'],
    ['rebuild', 'clickhouse'],
    ['pools'],
    ['audit', 'verify'],
    ['reservations', 'history', '1'],
    ['usage', 'show', '--tenant', 'acme', '--store', 'clickhouse'],
    ['import', await bed.file('nothing.jsonl', ''), '--wait'],
  ]) {
    const answer = await run('api', args);
    expect([args[0], answer.exitCode, answer.stdout]).toEqual([args[0], 2, '']);
    expect(answer.stderr).toMatch(/without --api|leave out --api|over the API/);
  }
});

test('a tenant’s key sees and reaches only its own', async () => {
  const lists = ['keys list --all', 'quarantine list', 'reservations list', 'audit list', 'decisions list'];
  for (const list of lists) {
    const answer = await run('api', [...list.split(' '), '--json', '--limit', '1000'], 'lumen');
    expect([list, answer.exitCode]).toEqual([list, 0]);
    expect(answer.stdout).not.toMatch(/acme|nobody|mine-/);
  }
  for (const args of [
    ['usage', 'show', '--tenant', 'acme'],
    ['keys', 'list', '--tenant', 'acme'],
    ['keys', 'create', '--role', 'ingest', '--tenant', 'acme'],
    ['quarantine', 'discard', '--tenant', 'acme', '--because', 'theirs'],
    ['apply', '-f', await bed.file('registry.yaml', REGISTRY)],
    ['limits', 'show', '--tenant', 'acme'],
    ['decide', '--tenant', 'acme', '--metric', 'tokens'],
  ])
    expect([args, (await run('api', args, 'lumen')).exitCode]).toEqual([args, 1]);
  const own = await json<{ events: unknown[]; counts: { events: string }[] }>(
    'api',
    ['quarantine', 'list'],
    'lumen',
  );
  expect([own.events.length, own.counts.map(({ events }) => events)]).toEqual([1, ['1']]);
});

test('nobody acts in another’s name, and the key is in no output', async () => {
  const named = await run('api', ['keys', 'list', '--by', 'x']);
  expect(named.exitCode).toBe(2);
  const inName = await run('api', ['keys', 'create', '--role', 'operator', '--by', 'root']);
  expect([inName.exitCode, inName.stderr]).toEqual([2, expect.stringContaining('--by')]);
  const canary = 'mh_0123456789abcdef_canarycanarycanarycanarycanarycanarycanaryc';
  const file = await bed.file('key', `${canary}\n`);
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  const said: string[] = [];
  for (const [url, args] of [
    [api, ['--api-key', canary, 'keys', 'list']],
    [api, ['--api-key-file', file, 'apply', '-f', await bed.file('registry.yaml', REGISTRY)]],
    [nowhere, ['--api-key-file', file, 'usage', 'show', '--tenant', 'acme']],
    [nowhere, ['--api-key', `${canary} x`, 'audit', 'list']],
    [nowhere, ['--api-key', canary, '--api-key-file', file, 'audit', 'list']],
    [api, ['--api-key', canary, '--postgres', 'postgresql://x', 'audit', 'list']],
  ] as const) {
    const answer = await bed.runWith({ LOG_LEVEL: 'debug' }, '--api', url, ...args);
    expect(answer.exitCode).toBeGreaterThan(0);
    said.push(answer.stdout, answer.stderr);
  }
  expect(said.join('\n')).not.toContain('canary');
  expect(said[1]).toContain('METERHOUSE_API_KEY');
  expect(said[5]).toContain('does not answer (ECONNREFUSED)');
});
