-- The registry version by version: every document as each change left it. The newest row of a
-- (kind, id) is the document as it stands, so the history is the registry, and what a decision saw a
-- year ago can be read again. tenants and metrics stay what events are checked against; their
-- documents carry the rest (class, plan, status).
CREATE TABLE meterhouse.registry_changes (
  kind       text COLLATE "C" NOT NULL
             CHECK (kind IN ('tenant', 'metric', 'product', 'plan', 'override', 'delegation', 'entitlement', 'pool', 'access_rule')),
  id         text COLLATE "C" NOT NULL CHECK (length(id) BETWEEN 1 AND 128),
  version    bigint NOT NULL,
  -- What it was and what it became; null: it was not there.
  before     jsonb,
  after      jsonb,
  at         timestamptz NOT NULL DEFAULT now(),
  by         text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
  why        text NOT NULL CHECK (length(why) BETWEEN 1 AND 1000),
  -- A ceiling was raised by nothing but the right of whoever did it.
  privileged boolean NOT NULL DEFAULT false,
  PRIMARY KEY (kind, id, version),
  CHECK (before IS NOT NULL OR after IS NOT NULL)
);
CREATE INDEX registry_changes_version ON meterhouse.registry_changes (version);

-- What was registered before there was a history.
INSERT INTO meterhouse.registry_changes (kind, id, version, after, by, why)
SELECT 'tenant', t.id, v.version,
       jsonb_build_object('id', t.id, 'name', t.name, 'parent', t.parent, 'class', NULL, 'plan', NULL, 'status', 'active'),
       'migration', 'registered before the registry kept its history'
FROM meterhouse.tenants AS t, meterhouse.registry_version AS v;
INSERT INTO meterhouse.registry_changes (kind, id, version, after, by, why)
SELECT 'metric', m.name, v.version,
       jsonb_build_object('name', m.name, 'unit', m.unit, 'aggregation', m.aggregation, 'scale', m.scale,
                          'family', m.family, 'groupBy', to_jsonb(m.group_by)),
       'migration', 'registered before the registry kept its history'
FROM meterhouse.metrics AS m, meterhouse.registry_version AS v;

GRANT SELECT ON meterhouse.registry_changes
  TO meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader;
-- Rows are only added.
GRANT INSERT ON meterhouse.registry_changes TO meterhouse_operator;
