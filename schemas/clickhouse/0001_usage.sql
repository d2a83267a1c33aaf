-- What stands in /*cluster:…*/ is left out on one server and put in on a cluster (CLICKHOUSE_CLUSTER).

-- The mirror of the hour buckets: absolute values with their revision, so that writing any part of
-- the change log again ends in the same state. Read the views, never this table: rows that a later
-- revision replaced stay here until a merge.
CREATE TABLE IF NOT EXISTS usage_hourly_revisions
(
    tenant_id  String,
    metric     LowCardinality(String),
    hour       DateTime('UTC'),
    attrs_key  String COMMENT 'attrs as JSON with sorted keys: the part of the key',
    attrs      Map(String, String),
    sum        Decimal(76, 9),
    count      UInt64,
    min        Decimal(38, 9),
    max        Decimal(38, 9),
    latest     Decimal(38, 9),
    latest_ts  DateTime64(3, 'UTC'),
    latest_id  String,
    revision   UInt64
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(revision)
-- A function of the key: every revision of a bucket must meet in one partition to be replaced.
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant_id, metric, hour, attrs_key);

-- How far the mirror has come, by source and partition. What has once been said stays true (rows are
-- never taken away), so the highest of each counts, in whatever order two writers said it.
CREATE TABLE IF NOT EXISTS mirror_progress
(
    source           String,
    partition        Int32,
    next_offset      SimpleAggregateFunction(max, UInt64),
    complete_through SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    written_at       SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = /*cluster:Replicated*/AggregatingMergeTree
ORDER BY (source, partition);

-- One row: every event that the sources had before complete_through is in the views below.
-- 1970-01-01 means that nothing is known to be complete yet.
CREATE VIEW IF NOT EXISTS complete_through AS
SELECT min(p.partition_complete_through) AS complete_through,
       count() AS partitions,
       max(p.partition_written_at) AS written_at
FROM
(
    SELECT source,
           partition,
           max(complete_through) AS partition_complete_through,
           max(written_at) AS partition_written_at
    FROM mirror_progress
    GROUP BY source, partition
) AS p/*cluster: SETTINGS select_sequential_consistency = 1*/;

-- complete_through is read before the rows, so it never promises more than the rows hold.
CREATE VIEW IF NOT EXISTS usage_hourly AS
SELECT h.tenant_id AS tenant_id,
       h.metric AS metric,
       h.hour AS hour,
       h.attrs AS attrs,
       h.sum AS sum,
       h.count AS count,
       h.min AS min,
       h.max AS max,
       h.latest AS latest,
       h.revision AS revision,
       h.latest_ts AS latest_ts,
       h.latest_id AS latest_id,
       h.attrs_key AS attrs_key,
       (SELECT c.complete_through FROM complete_through AS c) AS complete_through
FROM usage_hourly_revisions AS h FINAL/*cluster: SETTINGS select_sequential_consistency = 1*/;

-- Days are UTC. revision is the sum of the hours' revisions: it rises whenever any of them does.
-- Every column is read through `h`: without it, sum(sum) AS sum would mean the alias.
CREATE VIEW IF NOT EXISTS usage_daily AS
SELECT h.tenant_id AS tenant_id,
       h.metric AS metric,
       toDate(h.hour, 'UTC') AS day,
       any(h.attrs) AS attrs,
       sum(h.sum) AS sum,
       sum(h.count) AS count,
       min(h.min) AS min,
       max(h.max) AS max,
       argMax(h.latest, (h.latest_ts, h.latest_id)) AS latest,
       sum(h.revision) AS revision,
       h.attrs_key AS attrs_key,
       (SELECT c.complete_through FROM complete_through AS c) AS complete_through
FROM usage_hourly_revisions AS h FINAL
GROUP BY h.tenant_id, h.metric, toDate(h.hour, 'UTC'), h.attrs_key/*cluster: SETTINGS select_sequential_consistency = 1*/;
