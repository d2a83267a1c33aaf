-- Least privilege: the login role that a service connects with is granted one of these and takes
-- it at connection time. None of them owns anything, so none can alter or drop a table.
-- Roles belong to the whole server, so another database's migration may make them at the same time.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['meterhouse_aggregator', 'meterhouse_snapshot', 'meterhouse_operator', 'meterhouse_reader'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- it is there: what we wanted
    END;
  END LOOP;
END $$;

REVOKE ALL ON SCHEMA meterhouse FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA meterhouse FROM PUBLIC;
GRANT USAGE ON SCHEMA meterhouse TO meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA meterhouse TO meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader;
GRANT EXECUTE ON FUNCTION meterhouse.dedup_period_ms(), meterhouse.seen_periods()
  TO meterhouse_aggregator, meterhouse_operator, meterhouse_reader;

-- The aggregator counts; it never rewrites what was seen, and never deletes a bucket.
GRANT INSERT, UPDATE ON meterhouse.progress, meterhouse.usage_hourly TO meterhouse_aggregator;
GRANT INSERT ON meterhouse.seen_events, meterhouse.quarantine_history TO meterhouse_aggregator;
GRANT INSERT ON meterhouse.quarantine TO meterhouse_aggregator;
-- A replayed message that could not be read at first is given its identity then.
GRANT UPDATE (status, reason, field, detail, occurrences, resolved_at, tenant_id, metric, event_id, event_ts, value, content)
  ON meterhouse.quarantine TO meterhouse_aggregator;
GRANT INSERT, DELETE ON meterhouse.change_log TO meterhouse_aggregator;
GRANT INSERT, UPDATE ON meterhouse.tailer_cursors, meterhouse.tailers TO meterhouse_aggregator;
GRANT USAGE ON SEQUENCE meterhouse.flush_id TO meterhouse_aggregator;
GRANT EXECUTE ON FUNCTION meterhouse.ensure_seen_periods(integer, integer), meterhouse.drop_seen_periods_before(integer)
  TO meterhouse_aggregator;

GRANT INSERT, UPDATE ON meterhouse.tailer_cursors, meterhouse.tailers TO meterhouse_snapshot;
GRANT USAGE ON SEQUENCE meterhouse.snapshot_epoch TO meterhouse_snapshot;

-- A person with the command: registers, asks for replays, discards, asks for a rebuild.
GRANT INSERT, UPDATE ON meterhouse.tenants, meterhouse.metrics TO meterhouse_operator;
GRANT UPDATE ON meterhouse.registry_version TO meterhouse_operator;
GRANT UPDATE (status, resolved_at) ON meterhouse.quarantine TO meterhouse_operator;
GRANT INSERT ON meterhouse.quarantine_history TO meterhouse_operator;
GRANT INSERT, UPDATE, DELETE ON meterhouse.tailer_cursors, meterhouse.tailers TO meterhouse_operator;
GRANT INSERT, UPDATE ON meterhouse.producer_reports TO meterhouse_operator;
GRANT UPDATE (next_offset, halted_reason, updated_at) ON meterhouse.progress TO meterhouse_operator;
