/** What each tenant of the world has, with its marks in every text; written down as the owner. */
import { randomUUID } from 'node:crypto';
import { changeRegistry, type Pool } from '@meterhouse/postgres';
import { isWithin, type Forest, type Tenant } from './forest.ts';
import { idMark, textMark, usageMark } from './marks.ts';

/** Names of what a tenant has, as a request names them. */
export interface Things {
  /** By the last word of the address that names them: `overrides`, `webhooks`. */
  readonly byCollection: Readonly<Record<string, readonly string[]>>;
}

/** The same without what has become another tenant's: the platform may do with that as it likes. */
export function withoutMoved({ byCollection }: Things): Things {
  const kept = Object.entries(byCollection).map(([name, ids]) => [name, ids.filter((id) => !isMoved(id))]);
  return { byCollection: Object.fromEntries(kept) as Things['byCollection'] };
}

export const METRIC = 'tokens';
const POOL = 'gpu';
const EACH = 3;
const MOVED = 'moved-';

const COMMON = [
  {
    kind: 'metric',
    id: METRIC,
    body: {
      name: METRIC,
      unit: 'token',
      aggregation: 'sum',
      scale: 0,
      family: 'compute',
      groupBy: ['region'],
    },
  },
  {
    kind: 'product',
    id: 'ai',
    body: {
      id: 'ai',
      name: 'AI',
      dimensions: [{ metric: METRIC, unit: 'token' }],
      actions: [{ resourceType: 'model', action: 'call', launchSensitive: false }],
    },
  },
  {
    kind: 'plan',
    id: 'small',
    body: {
      id: 'small',
      name: 'Small',
      limits: [
        { metric: METRIC, period: 'month', value: '1' },
        { metric: METRIC, period: 'total', value: '2' },
      ],
      entitlements: [{ product: 'ai', resourceType: '*', action: '*' }],
    },
  },
  {
    kind: 'access_rule',
    id: 'members',
    body: { id: 'members', effect: 'allow', actors: { roles: ['member'] } },
  },
];

export async function writeThings(owner: Pool, forest: Forest): Promise<ReadonlyMap<number, Things>> {
  await owner.query(`INSERT INTO meterhouse.capacity_pools (id, unit, size) VALUES ($1, 'gpu', 1000000)`, [
    POOL,
  ]);
  await writeRegistry(owner, forest);
  const things = new Map<number, Things>();
  for (const tenant of forest) things.set(tenant.number, { byCollection: await writeRows(owner, tenant) });
  return things;
}

async function writeRegistry(owner: Pool, forest: Forest): Promise<void> {
  const change = (documents: readonly { kind: string; id: string; before?: unknown; body: unknown }[]) =>
    changeRegistry(
      owner,
      () => ({
        changes: documents.map(({ kind, id, before = null, body }) => ({
          ...{ kind, id, before, after: body, privileged: false },
        })),
      }),
      { author: { by: 'leaks', why: 'the world' }, dryRun: false },
    );
  await change([...COMMON, ...forest.flatMap((tenant) => documentsOf(tenant, forest))]);
  // An override that was another tenant's, and is moved: neither sees what is the other's.
  const movedTo = (tenant: Tenant): Tenant => forest[(tenant.number + 1) % forest.length] ?? tenant;
  await change(
    forest.map((tenant) => ({
      ...{ kind: 'override', id: movedOverride(tenant), before: override(tenant, movedOverride(tenant)) },
      body: override(movedTo(tenant), movedOverride(tenant)),
    })),
  );
}

/** Named without a mark: whose it is has changed. */
const movedOverride = ({ number }: Tenant): string => `${MOVED}${number}`;
const isMoved = (id: string): boolean => id.startsWith(MOVED);

const override = ({ id: tenant, number }: Tenant, id: string) => ({
  ...{ id, tenant, metric: METRIC, period: 'day', value: '5', raises: null, start: null, expiry: null },
  ...{ reason: textMark(number), author: textMark(number) },
});

function documentsOf(tenant: Tenant, forest: Forest) {
  const { number, id, parent } = tenant;
  const mark = textMark(number);
  const document = <B extends { readonly id: string }>(kind: string, body: B) => ({
    kind,
    id: body.id,
    body,
  });
  const below = forest.find((other) => other !== tenant && isWithin(other, tenant));
  const common = { metric: METRIC, period: 'month', reason: mark, author: mark, start: null, expiry: null };
  return [
    document('tenant', {
      ...{ id, name: mark, parent: parent?.id ?? null, class: null, plan: 'small', status: 'active' },
    }),
    document('override', override(tenant, `o-${idMark(number)}`)),
    document('override', override(tenant, movedOverride(tenant))),
    document('entitlement', {
      ...{ id: `e-${idMark(number)}`, tenant: id, product: 'ai', resourceType: 'model', action: '*' },
      ...{ reason: mark, author: mark, start: null, expiry: null },
    }),
    ...(below === undefined
      ? []
      : [
          document('delegation', {
            id: `d-${idMark(number)}`,
            tenant: id,
            to: below.id,
            upTo: '9',
            ...common,
          }),
        ]),
  ];
}

async function writeRows(owner: Pool, { id, number }: Tenant): Promise<Things['byCollection']> {
  const mark = textMark(number);
  await owner.query(
    `INSERT INTO meterhouse.usage_hourly
       (tenant_id, metric, hour, attrs, sum, count, min, max, latest, latest_ts, latest_id, revision)
     VALUES ($1, $2, date_trunc('hour', now()), jsonb_build_object('region', $3::text), $4, 1, $4, $4, $4, now(), $3, 1)`,
    [id, METRIC, mark, usageMark(number)],
  );
  const ids = async (sql: string, values: readonly unknown[]): Promise<string[]> => {
    const { rows } = await owner.query<{ id: string }>(sql, [...values]);
    return rows.map((row) => row.id);
  };
  const quarantine = await ids(
    `INSERT INTO meterhouse.quarantine
       (source, partition, "offset", received_at, reason, field, detail, tenant_id, metric, event_id, value, payload)
     SELECT 's', 0, $1::bigint * 1000 + n, now(), 'unknown_metric', $3, $3, $2, $3, $3 || n, '1', convert_to($3, 'UTF8')
     FROM generate_series(1, $4) AS n RETURNING id`,
    [number, id, mark, EACH * 10],
  );
  await owner.query(
    `INSERT INTO meterhouse.quarantine_history (quarantine_id, action, by, reason)
     SELECT unnest($1::bigint[]), 'still_refused', $2, $2`,
    [quarantine, mark],
  );
  const decisions = await ids(
    `INSERT INTO meterhouse.decisions
       (id, at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version, record)
     SELECT gen_random_uuid(), now(), $1, 'deny', 'quota_exhausted', $2, 'user', $2, 1, '{}'
     FROM generate_series(1, $3) RETURNING id`,
    [id, mark, EACH],
  );
  await owner.query(
    `INSERT INTO meterhouse.capacity_reservations
       (pool_id, tenant_id, key, units, ttl_ms, fencing_token, expires_at, holder, reserved_at)
     SELECT $1, $2, $3 || n, 1, 1000, 1, now() + interval '1 day', $3, now() FROM generate_series(1, $4) AS n`,
    [POOL, id, mark, EACH],
  );
  await owner.query(
    `INSERT INTO meterhouse.audit_log (actor_type, actor_id, action, tenant_id, target, outcome, correlation_id, details)
     SELECT 'person', $2, 'test', $1, $2, 'done', $2, jsonb_build_object('said', $2::text) FROM generate_series(1, $3)`,
    [id, mark, EACH],
  );
  const keys = await ids(
    `INSERT INTO meterhouse.api_keys (key_id, tenant_id, role, name, secret_hash, created_by)
     SELECT substr(md5($1 || n), 1, 16), $1, 'ingest', $2, sha256('x'), $2 FROM generate_series(1, $3) AS n
     RETURNING key_id AS id`,
    [id, mark, EACH * 10],
  );
  const { webhooks, deliveries } = await writeWebhooks(owner, { tenant: id, text: mark });
  return {
    tenants: [id],
    overrides: [`o-${idMark(number)}`, `${MOVED}${number}`],
    entitlements: [`e-${idMark(number)}`],
    delegations: [`d-${idMark(number)}`],
    metrics: [METRIC],
    products: ['ai'],
    plans: ['small'],
    pools: [POOL],
    ...{ quarantine, decisions, keys, webhooks, deliveries },
  };
}

async function writeWebhooks(
  owner: Pool,
  { tenant, text }: { readonly tenant: string; readonly text: string },
): Promise<{ webhooks: string[]; deliveries: string[] }> {
  const webhooks: string[] = [];
  const deliveries: string[] = [];
  for (let n = 0; n < EACH * 4; n++) {
    const webhook = randomUUID();
    webhooks.push(webhook);
    await owner.query(
      `INSERT INTO meterhouse.webhook_subscriptions
         (id, tenant_id, url, description, events, thresholds, plan_thresholds, quiet_seconds, secret, created_by)
       VALUES ($1, $2, 'https://' || $3 || '.example', $3, '{quota.denied}', '{}', true, 60, sha256('x'), $3)`,
      [webhook, tenant, text],
    );
    const { rows } = await owner.query<{ id: string }>(
      `INSERT INTO meterhouse.webhook_deliveries
         (id, subscription_id, tenant_id, about_tenant, event_key, event_type, occurred_at, body, state, ended_at, last_error)
       SELECT gen_random_uuid(), $1, $2, $2, $3 || n, 'quota.denied', now(), '{"said":"' || $3 || '"}', 'dead', now(), $3
       FROM generate_series(1, 2) AS n RETURNING id`,
      [webhook, tenant, text],
    );
    deliveries.push(...rows.map((row) => row.id));
  }
  return { webhooks, deliveries };
}
