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
ENGINE = ReplacingMergeTree(revision)
-- A function of the key: every revision of a bucket must meet in one partition to be replaced.
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant_id, metric, hour, attrs_key);

-- Up to when the mirror is complete, by source and partition.
CREATE TABLE IF NOT EXISTS mirror_progress_revisions
(
    source           String,
    partition        Int32,
    next_offset      UInt64,
    complete_through DateTime64(3, 'UTC'),
    written_at       DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY (source, partition);

CREATE VIEW IF NOT EXISTS usage_hourly AS
SELECT tenant_id, metric, hour, attrs, sum, count, min, max, latest, latest_ts, latest_id, revision, attrs_key
FROM usage_hourly_revisions FINAL;

CREATE VIEW IF NOT EXISTS usage_daily AS
SELECT tenant_id,
       metric,
       toDate(hour, 'UTC') AS day,
       any(h.attrs) AS attrs,
       sum(h.sum) AS sum,
       sum(h.count) AS count,
       min(h.min) AS min,
       max(h.max) AS max,
       argMax(h.latest, (h.latest_ts, h.latest_id)) AS latest,
       sum(h.revision) AS revision,
       h.attrs_key AS attrs_key
FROM usage_hourly_revisions AS h FINAL
GROUP BY tenant_id, metric, day, h.attrs_key;

-- One row: every event that the sources had before complete_through is in the views above.
CREATE VIEW IF NOT EXISTS complete_through AS
SELECT min(complete_through) AS complete_through, count() AS partitions
FROM mirror_progress_revisions FINAL;
