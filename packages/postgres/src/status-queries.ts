/** What a person asks who wants to know in one look whether all is well. Each answer looks at a bounded number of rows. */
import { listMigrations } from './migrations.ts';
import type { Db } from './pool.ts';

/** What ran here, held against what this release brings. File names. */
export interface SchemaStand {
  /** The newest that ran; null: none did. */
  readonly latest: string | null;
  /** This release needs them. */
  readonly pending: readonly string[];
  /** This release does not know them: a newer one ran them. */
  readonly unknown: readonly string[];
}

/** @param db with the rights of the login role: the list of migrations is no part of the schema */
export async function readSchemaStand(db: Db): Promise<SchemaStand> {
  const known = await listMigrations();
  const table = await db.query<{ there: boolean }>(
    `SELECT to_regclass('public.meterhouse_migrations') IS NOT NULL AS there`,
  );
  const done =
    table.rows[0]?.there === true
      ? (await db.query<{ name: string }>('SELECT name FROM public.meterhouse_migrations ORDER BY name')).rows
      : [];
  const ran = new Set(done.map(({ name }) => name));
  return {
    latest: done.at(-1)?.name ?? null,
    pending: known.filter((name) => !ran.has(name)),
    unknown: [...ran].filter((name) => !known.includes(name)),
  };
}

export interface DecisionLogPartition {
  readonly topic: string;
  readonly partition: number;
  /** Decisions in Kafka that are not kept yet. */
  readonly behind: bigint;
  /** Kafka no longer holds what comes next. */
  readonly lost: boolean;
  readonly completeThrough: Date | null;
  /** When the service last looked. */
  readonly lookedAt: Date;
}

export async function readDecisionLogPartitions(db: Db): Promise<readonly DecisionLogPartition[]> {
  const result = await db.query<{
    topic: string;
    partition: number;
    behind: string;
    lost: boolean;
    complete_through: Date | null;
    looked_at: Date;
  }>(
    `SELECT topic, partition, greatest(log_end - next_offset, 0) AS behind, log_start > next_offset AS lost,
            complete_through, looked_at
     FROM meterhouse.decision_log_partitions ORDER BY topic, partition`,
  );
  return result.rows.map((row) => ({
    topic: row.topic,
    partition: row.partition,
    behind: BigInt(row.behind),
    lost: row.lost,
    completeThrough: row.complete_through,
    lookedAt: row.looked_at,
  }));
}

export interface WebhooksStand {
  readonly subscriptions: number;
  /** Switched off because their receivers failed for too long, or said that they are gone. */
  readonly switchedOff: number;
  /** New events find no room there: too many wait already. */
  readonly full: number;
  /** Deliveries that wait, and that were given up; each counted up to the bound. */
  readonly pending: number;
  readonly dead: number;
  /** Since when the one that is due for longest should have been tried. */
  readonly overdueSince: Date | null;
  /** When the last one was given up. */
  readonly lastDead: Date | null;
}

/** @param max deliveries that are looked at, of each kind */
export async function readWebhooksStand(db: Db, max: number): Promise<WebhooksStand> {
  const result = await db.query<{
    subscriptions: string;
    switched_off: string;
    is_full: string;
    pending: string;
    dead: string;
    overdue_since: Date | null;
    last_dead: Date | null;
  }>(
    // A receiver that is left alone for a while is nobody's delay.
    `WITH pending AS (
       SELECT CASE WHEN s.enabled AND (s.open_until IS NULL OR s.open_until <= now()) THEN d.next_attempt_at END AS due
       FROM meterhouse.webhook_deliveries AS d JOIN meterhouse.webhook_subscriptions AS s ON s.id = d.subscription_id
       WHERE d.state = 'pending' LIMIT $1
     ), dead AS (
       SELECT ended_at FROM meterhouse.webhook_deliveries WHERE state = 'dead' LIMIT $1
     )
     SELECT subscribed.*, waited.*, died.*
     FROM (
       SELECT count(*) AS subscriptions, count(*) FILTER (WHERE disabled_reason IN ('failing', 'gone')) AS switched_off,
              count(*) FILTER (WHERE full_since IS NOT NULL) AS is_full
       FROM meterhouse.webhook_subscriptions
     ) AS subscribed, (
       SELECT count(*) AS pending, min(due) FILTER (WHERE due <= now()) AS overdue_since FROM pending
     ) AS waited, (
       SELECT count(*) AS dead, max(ended_at) AS last_dead FROM dead
     ) AS died`,
    [max],
  );
  const row = result.rows[0];
  return {
    subscriptions: Number(row?.subscriptions ?? 0),
    switchedOff: Number(row?.switched_off ?? 0),
    full: Number(row?.is_full ?? 0),
    pending: Number(row?.pending ?? 0),
    dead: Number(row?.dead ?? 0),
    overdueSince: row?.overdue_since ?? null,
    lastDead: row?.last_dead ?? null,
  };
}

/** Who is connected to this database, by the names that services give themselves. */
export async function readSessions(db: Db): Promise<ReadonlyMap<string, number>> {
  const result = await db.query<{ application_name: string; sessions: string }>(
    `SELECT application_name, count(*) AS sessions FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'meterhouse-%' GROUP BY 1 ORDER BY 1`,
  );
  return new Map(result.rows.map((row) => [row.application_name, Number(row.sessions)]));
}

/** Whether somebody holds the lock of whoever mirrors, and of whoever publishes snapshots to the topic. */
export async function readLeaders(
  db: Db,
  names: { readonly mirror: string; readonly snapshotsTopic: string },
): Promise<{ readonly mirror: boolean; readonly snapshots: boolean }> {
  const result = await db.query<{ mirror: boolean; snapshots: boolean }>(
    `WITH held AS (
       SELECT classid, objid, objsubid FROM pg_locks
       WHERE locktype = 'advisory' AND granted
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
     )
     SELECT EXISTS (SELECT FROM held WHERE objsubid = 1 AND objid = hashtext($1)::oid) AS mirror,
            EXISTS (SELECT FROM held WHERE objsubid = 2 AND classid = hashtext('meterhouse.snapshot_publisher')::oid
                    AND objid = hashtext($2)::oid) AS snapshots`,
    [`meterhouse.mirror.${names.mirror}`, names.snapshotsTopic],
  );
  return result.rows[0] ?? { mirror: false, snapshots: false };
}
