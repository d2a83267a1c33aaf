-- Everything Meterhouse knows stands in this schema; ClickHouse, the snapshot topic and every
-- cache are rebuilt from it.
CREATE SCHEMA meterhouse;
SET LOCAL search_path = meterhouse;

-- Registry -----------------------------------------------------------------------------------

-- One row. Every change of tenants or metrics raises the version in the same transaction, so a
-- flush can tell that the registry it checked its events against is still the current one.
CREATE TABLE registry_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version  bigint NOT NULL
);
INSERT INTO registry_version (version) VALUES (1);

-- A tree: the root is who is billed. `number` is the tenant's short name inside seen_events.
CREATE TABLE tenants (
  id         text COLLATE "C" PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
  number     integer GENERATED ALWAYS AS IDENTITY UNIQUE,
  name       text NOT NULL,
  parent     text COLLATE "C" REFERENCES tenants (id),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX tenants_parent ON tenants (parent);

CREATE TABLE metrics (
  name        text COLLATE "C" PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 128),
  unit        text NOT NULL,
  aggregation text NOT NULL CHECK (aggregation IN ('sum', 'count', 'max', 'min', 'latest')),
  scale       smallint NOT NULL CHECK (scale BETWEEN 0 AND 9),
  family      text NOT NULL,
  group_by    text[] NOT NULL DEFAULT '{}' CHECK (cardinality(group_by) <= 8),
  created_at  timestamptz NOT NULL DEFAULT now()
);

-- Progress -----------------------------------------------------------------------------------

-- How far each partition of each source has been counted: the row that a flush locks and whose
-- next_offset it compares and sets (I3, I4). Kafka's own committed offsets are only advice.
-- processed_through: everything that the source had before this instant is counted or quarantined.
CREATE TABLE progress (
  source            text NOT NULL,
  partition         integer NOT NULL,
  next_offset       bigint NOT NULL CHECK (next_offset >= 0),
  processed_through timestamptz,
  halted_reason     text,
  updated_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, partition)
);

-- De-duplication -----------------------------------------------------------------------------

-- One row an accepted event. event_key is the id itself where that is a UUID, else the first 128
-- bits of its SHA-256; content is a 64-bit digest of what was counted, so that the same id with
-- other content is told from a repetition. Partitioned by period of event time (see
-- dedup_period_ms() below) and pruned by dropping partitions. Unique per partition, not over the
-- parent: the flush looks into the neighbouring periods itself.
CREATE TABLE seen_events (
  event_key     uuid NOT NULL,
  content       bigint NOT NULL,
  flush_id      bigint NOT NULL,
  tenant_number integer NOT NULL,
  period        integer NOT NULL
) PARTITION BY LIST (period);

-- 36 days: longer than the default window (35 days back, 1 hour ahead), so an id can lie in at
-- most two live periods.
CREATE FUNCTION dedup_period_ms() RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 36::bigint * 24 * 3600 * 1000;

-- Creating and dropping partitions needs the table's owner; the services are not. They call these.
CREATE FUNCTION ensure_seen_periods(first_period integer, last_period integer) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
BEGIN
  IF last_period - first_period > 100 THEN
    RAISE EXCEPTION 'ensure_seen_periods: % to % is more than 100 periods', first_period, last_period;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('meterhouse.seen_periods'));
  FOR p IN first_period..last_period LOOP
    IF to_regclass(format('meterhouse.seen_events_p%s', p)) IS NULL THEN
      EXECUTE format('CREATE TABLE seen_events_p%s PARTITION OF seen_events FOR VALUES IN (%s)', p, p);
      EXECUTE format('CREATE UNIQUE INDEX seen_events_p%s_key ON seen_events_p%s (event_key, tenant_number)', p, p);
    END IF;
  END LOOP;
END $$;

CREATE FUNCTION seen_periods() RETURNS SETOF integer
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
  SELECT substring(c.relname FROM 'seen_events_p(-?[0-9]+)$')::integer
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = 'meterhouse.seen_events'::regclass
  ORDER BY 1 $$;

CREATE FUNCTION drop_seen_periods_before(first_kept integer) RETURNS SETOF integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE p integer;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('meterhouse.seen_periods'));
  FOR p IN SELECT * FROM seen_periods() AS s(period) WHERE s.period < first_kept LOOP
    EXECUTE format('DROP TABLE seen_events_p%s', p);
    RETURN NEXT p;
  END LOOP;
END $$;

-- Buckets ------------------------------------------------------------------------------------

-- A value has at most 29 digits before the point; 2^63 of them cannot overflow this sum.
CREATE TABLE usage_hourly (
  tenant_id text COLLATE "C" NOT NULL,
  metric    text COLLATE "C" NOT NULL,
  hour      timestamptz NOT NULL,
  attrs     jsonb NOT NULL DEFAULT '{}',
  sum       numeric(57, 9) NOT NULL,
  count     bigint NOT NULL CHECK (count > 0),
  min       numeric(38, 9) NOT NULL,
  max       numeric(38, 9) NOT NULL,
  latest    numeric(38, 9) NOT NULL,
  latest_ts timestamptz NOT NULL,
  latest_id text COLLATE "C" NOT NULL,
  revision  bigint NOT NULL,
  PRIMARY KEY (tenant_id, metric, hour, attrs)
);
CREATE INDEX usage_hourly_metric_hour ON usage_hourly (metric, hour);
CREATE INDEX usage_hourly_hour ON usage_hourly (hour);

-- Days are UTC. A view, so that it is right at every moment, also between two late events.
-- revision is the sum of the hours' revisions: it rises whenever any of them does.
CREATE VIEW usage_daily AS
SELECT tenant_id,
       metric,
       (hour AT TIME ZONE 'UTC')::date AS day,
       attrs,
       sum(sum)::numeric(57, 9) AS sum,
       sum(count)::bigint AS count,
       min(min) AS min,
       max(max) AS max,
       (array_agg(latest ORDER BY latest_ts DESC, latest_id DESC))[1] AS latest,
       sum(revision)::bigint AS revision
FROM usage_hourly
GROUP BY tenant_id, metric, (hour AT TIME ZONE 'UTC')::date, attrs;

-- Quarantine ---------------------------------------------------------------------------------

-- An event that cannot be counted waits here with its reason. The raw message is kept whole;
-- tenant_id, metric, event_id and event_ts are null where it could not be read that far.
-- A repetition of a waiting event raises `occurrences` instead of taking another row.
CREATE TABLE quarantine (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source      text NOT NULL,
  partition   integer NOT NULL,
  "offset"    bigint NOT NULL,
  received_at timestamptz NOT NULL,
  reason      text NOT NULL,
  field       text,
  detail      text NOT NULL,
  tenant_id   text COLLATE "C",
  metric      text COLLATE "C",
  event_id    text COLLATE "C",
  event_ts    timestamptz,
  value       text,
  content     bigint,
  payload     bytea NOT NULL,
  occurrences bigint NOT NULL DEFAULT 1,
  status      text NOT NULL DEFAULT 'waiting'
              CHECK (status IN ('waiting', 'replay_requested', 'counted', 'duplicate', 'discarded')),
  created_at  timestamptz NOT NULL DEFAULT now(),
  resolved_at timestamptz
);
CREATE INDEX quarantine_open_reason ON quarantine (reason, id) WHERE status IN ('waiting', 'replay_requested');
CREATE INDEX quarantine_requested ON quarantine (id) WHERE status = 'replay_requested';
CREATE UNIQUE INDEX quarantine_open_event ON quarantine (tenant_id, event_id, content)
  WHERE status IN ('waiting', 'replay_requested') AND event_id IS NOT NULL;

-- What happened to each, and who asked for it. Rows are only added.
CREATE TABLE quarantine_history (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  quarantine_id bigint NOT NULL REFERENCES quarantine (id),
  at            timestamptz NOT NULL DEFAULT now(),
  action        text NOT NULL CHECK (action IN ('replay_requested', 'counted', 'duplicate', 'still_refused', 'discarded')),
  by            text NOT NULL,
  reason        text NOT NULL
);
CREATE INDEX quarantine_history_quarantine ON quarantine_history (quarantine_id);

-- Change log ---------------------------------------------------------------------------------

CREATE SEQUENCE flush_id;

-- One row a flush, in offset order within a partition because the flush holds the partition's
-- progress row: a tailer needs one cursor a partition and meets no gaps.
-- changes: JSON array of changed buckets, absolute values:
--   [tenant_id, metric, hour (epoch ms), attrs {}, sum, count, min, max, latest, latest_ts (epoch ms), latest_id, revision]
-- decimals and counts as strings.
CREATE TABLE change_log (
  source       text NOT NULL,
  partition    integer NOT NULL,
  from_offset  bigint NOT NULL,
  next_offset  bigint NOT NULL CHECK (next_offset > from_offset),
  flush_id     bigint NOT NULL,
  changes      json NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (source, partition, next_offset)
);

-- Where each tailer stands. version rises with each move, so that a tailer that was overtaken
-- (rebuild, second instance) finds its move refused.
CREATE TABLE tailer_cursors (
  tailer      text NOT NULL,
  source      text NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint NOT NULL,
  moved_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tailer, source, partition)
);
CREATE TABLE tailers (
  name              text PRIMARY KEY,
  version           bigint NOT NULL DEFAULT 1,
  -- Everything that had been counted by this instant has been passed on.
  complete_through  timestamptz,
  -- The log was pruned past this tailer's cursor (it fell too far behind) or a person asked for
  -- it: it starts again from usage_hourly.
  resync_requested  boolean NOT NULL DEFAULT false,
  updated_at        timestamptz NOT NULL DEFAULT now()
);

-- A fencing number a start of the snapshot publisher: higher wins.
CREATE SEQUENCE snapshot_epoch;

-- What producers say they sent, where they say it: the first column of a reconciliation.
-- totals: {"<metric>": {"events": "123", "sum": "456.7"}} of distinct acknowledged events.
CREATE TABLE producer_reports (
  source      text PRIMARY KEY,
  reported_at timestamptz NOT NULL DEFAULT now(),
  totals      jsonb NOT NULL
);
