-- Usage without Kafka in between: counted directly, and recorded with the caller's own transaction.
SET LOCAL search_path = meterhouse;

-- Roles belong to the whole server, so another database's migration may make them at the same time.
--   meterhouse_producer  counts events directly, reads usage and the registry
--   meterhouse_recorder  records events in the outbox; granted to the login roles of applications
--   meterhouse_relay     takes events from the outbox to Kafka
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['meterhouse_producer', 'meterhouse_recorder', 'meterhouse_relay'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- it is there: what we wanted
    END;
  END LOOP;
END $$;
GRANT USAGE ON SCHEMA meterhouse TO meterhouse_producer, meterhouse_recorder, meterhouse_relay;

-- How many of a bucket's events were counted directly: Kafka never had them, so a reconciliation with
-- Kafka does not look for them there.
ALTER TABLE usage_hourly ADD COLUMN direct bigint NOT NULL DEFAULT 0,
  ADD CONSTRAINT usage_hourly_direct CHECK (direct BETWEEN 0 AND count) NOT VALID;

-- Outbox -------------------------------------------------------------------------------------

-- Events that were recorded with somebody's transaction and are on their way. A tenant's events are in
-- one lane, in the order of seq; seq is given before the transaction commits, so it has gaps, and two
-- transactions at once may commit in the other order: between those two there is no order to keep.
-- recorded_at is the receipt by which lateness is judged.
CREATE TABLE usage_outbox (
  lane        smallint NOT NULL,
  seq         bigint NOT NULL,
  tenant_id   text COLLATE "C" NOT NULL CHECK (length(tenant_id) BETWEEN 1 AND 128),
  event       text NOT NULL CHECK (octet_length(event) <= 65536),
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (lane, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX usage_outbox_recorded ON usage_outbox (recorded_at);

-- One relay works a lane at a time: the holder, until lease_until. epoch rises with every other holder, and
-- with it goes whoever held it before. relayed_seq: what was relayed last. is_idle: its relay sleeps, and
-- wants to be woken.
CREATE TABLE outbox_lanes (
  lane        smallint PRIMARY KEY CHECK (lane BETWEEN 0 AND 15),
  holder      uuid,
  epoch       bigint NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  relayed_seq bigint NOT NULL DEFAULT 0,
  relayed_at  timestamptz,
  is_idle     boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

-- Where the outbox goes; null before the first relay. Its lock orders those who take lanes.
CREATE TABLE outbox_state (
  only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  target            text COLLATE "C" CHECK (target IN ('kafka', 'direct')),
  max_rows_per_lane bigint NOT NULL DEFAULT 100000 CHECK (max_rows_per_lane BETWEEN 1 AND 100000000)
);
INSERT INTO outbox_state DEFAULT VALUES;

CREATE TABLE outbox_relays (
  id      uuid PRIMARY KEY,
  target  text COLLATE "C" NOT NULL CHECK (target IN ('kafka', 'direct')),
  seen_at timestamptz NOT NULL
);

DO $$
BEGIN
  FOR lane IN 0..15 LOOP
    EXECUTE format('CREATE SEQUENCE usage_outbox_lane_%s', lane);
    INSERT INTO outbox_lanes (lane) VALUES (lane);
  END LOOP;
END $$;

CREATE FUNCTION outbox_lane_of(tenant text) RETURNS smallint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (hashtextextended(tenant, 0) & 15)::smallint;

-- Puts an event into the outbox with the caller's transaction, whoever the caller is. Never an error for a
-- full lane or a tenant out of scope: that would end the caller's transaction, which is theirs to decide on.
-- outcome: recorded, buffer_full, out_of_scope.
CREATE FUNCTION record_usage(asked_tenant text, asked_event text, OUT outcome text, OUT waiting bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  scope   text := current_setting('meterhouse.tenant_scope', true);
  in_lane smallint := outbox_lane_of(asked_tenant);
  number  bigint;
  stand   outbox_lanes;
  bound   bigint;
BEGIN
  IF coalesce(scope, '') <> '' AND (asked_tenant = ANY (visible_tenants())) IS NOT TRUE THEN
    outcome := 'out_of_scope';
    RETURN;
  END IF;
  SELECT * INTO STRICT stand FROM outbox_lanes WHERE lane = in_lane;
  SELECT max_rows_per_lane INTO STRICT bound FROM outbox_state;
  number := nextval(format('usage_outbox_lane_%s', in_lane)::regclass);
  waiting := number - stand.relayed_seq;
  -- Numbers of transactions that were rolled back are in it: counted only where it may matter.
  IF waiting > bound THEN
    SELECT count(*) INTO waiting FROM (SELECT FROM usage_outbox WHERE lane = in_lane LIMIT bound) AS counted;
    IF waiting >= bound THEN
      outcome := 'buffer_full';
      RETURN;
    END IF;
  END IF;
  INSERT INTO usage_outbox (lane, seq, tenant_id, event) VALUES (in_lane, number, asked_tenant, asked_event);
  -- A relay at work looks again by itself; a NOTIFY from every transaction would make commits wait in line.
  IF stand.is_idle THEN PERFORM pg_notify('meterhouse_outbox', in_lane::text); END IF;
  outcome := 'recorded';
END $$;

-- The last number that a lane has given.
CREATE FUNCTION outbox_last_seq(of_lane smallint) RETURNS bigint
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE last bigint;
BEGIN
  EXECUTE format('SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM usage_outbox_lane_%s', of_lane) INTO last;
  RETURN last;
END $$;

-- Through when direct counting is complete, for the snapshot that asks: what was acknowledged before this
-- transaction began is committed, so the snapshot shows it counted; or it waits in an outbox that is counted
-- from here, and then nothing is complete beyond the first that waits.
CREATE FUNCTION direct_complete_through() RETURNS timestamptz
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
  SELECT CASE WHEN (SELECT target FROM outbox_state) = 'kafka' THEN now()
    ELSE least(now(), (SELECT recorded_at FROM usage_outbox ORDER BY recorded_at LIMIT 1)) END
$$;

-- Row-level security -------------------------------------------------------------------------
-- As in migration 0007: services see all tenants, meterhouse_api no more than its transaction's scope.
ALTER TABLE usage_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY services ON usage_outbox
  TO meterhouse_relay, meterhouse_aggregator, meterhouse_operator, meterhouse_reader USING (true) WITH CHECK (true);
CREATE POLICY owner ON usage_outbox TO CURRENT_USER
  USING ((SELECT coalesce(current_setting('meterhouse.tenant_scope', true), '') = '')
         OR tenant_id = ANY ((SELECT visible_tenants())::text[]));
CREATE POLICY tenant ON usage_outbox TO meterhouse_api
  USING (tenant_id = ANY ((SELECT visible_tenants())::text[])) WITH CHECK (tenant_id = ANY ((SELECT visible_tenants())::text[]));

-- A producer counts for all tenants, or, where its transaction names a scope, within that scope alone.
DO $$
DECLARE
  t       text;
  visible text;
BEGIN
  FOR t, visible IN VALUES
    ('usage_hourly', 'tenant_id = ANY ((SELECT visible_tenants())::text[])'),
    ('quarantine', 'tenant_id = ANY ((SELECT visible_tenants())::text[])'),
    ('quarantine_history', 'EXISTS (SELECT FROM quarantine AS q WHERE q.id = quarantine_id)'),
    ('seen_events', 'tenant_number = ANY (ARRAY(SELECT number FROM tenants WHERE id = ANY ((SELECT visible_tenants())::text[])))'),
    ('tenants', 'id = ANY ((SELECT visible_tenants())::text[])')
  LOOP
    EXECUTE format(
      $policy$CREATE POLICY producer ON %I TO meterhouse_producer
        USING ((SELECT coalesce(current_setting('meterhouse.tenant_scope', true), '') = '') OR %s)
        WITH CHECK ((SELECT coalesce(current_setting('meterhouse.tenant_scope', true), '') = '') OR %s)$policy$,
      t, visible, visible);
  END LOOP;
END $$;
-- What it writes of a flush is a direct one's: it cannot say that Kafka's events were counted.
CREATE POLICY producer ON change_log FOR INSERT TO meterhouse_producer WITH CHECK (source = 'direct');
CREATE POLICY producer_as_direct ON quarantine AS RESTRICTIVE FOR INSERT TO meterhouse_producer
  WITH CHECK (source = 'direct');
ALTER TABLE progress ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY services ON progress
  TO meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader USING (true) WITH CHECK (true);
CREATE POLICY owner ON progress TO CURRENT_USER USING (true);
CREATE POLICY tenant ON progress FOR SELECT TO meterhouse_api USING (true);
CREATE POLICY producer_reads ON progress FOR SELECT TO meterhouse_producer USING (true);
CREATE POLICY producer_begins ON progress FOR INSERT TO meterhouse_producer
  WITH CHECK (source = 'direct' AND next_offset = 0);
CREATE POLICY producer_counts ON progress FOR UPDATE TO meterhouse_producer
  USING (source = 'direct') WITH CHECK (source = 'direct');
CREATE POLICY producer ON registry_changes FOR SELECT TO meterhouse_producer
  USING ((SELECT coalesce(current_setting('meterhouse.tenant_scope', true), '') = ''));

-- Rights -------------------------------------------------------------------------------------
REVOKE ALL ON FUNCTION outbox_lane_of(text), record_usage(text, text), outbox_last_seq(smallint),
  direct_complete_through() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_usage(text, text) TO meterhouse_recorder, meterhouse_producer;
GRANT EXECUTE ON FUNCTION direct_complete_through()
  TO meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader, meterhouse_api,
     meterhouse_producer, meterhouse_webhooks;

-- The producer: the flush, as the aggregator does it, and no more. It deletes nothing.
GRANT SELECT ON progress, registry_version, registry_changes, tenants, metrics, usage_hourly, seen_events
  TO meterhouse_producer;
GRANT SELECT (id, status, reason, tenant_id, event_id, content, occurrences) ON quarantine TO meterhouse_producer;
GRANT INSERT (source, partition, next_offset),
      UPDATE (next_offset, processed_through, updated_at) ON progress TO meterhouse_producer;
GRANT INSERT, UPDATE ON usage_hourly TO meterhouse_producer;
GRANT INSERT ON seen_events, change_log TO meterhouse_producer;
GRANT INSERT (source, partition, "offset", received_at, reason, field, detail, tenant_id, metric, event_id, event_ts,
              value, content, payload, occurrences),
      UPDATE (status, occurrences, resolved_at) ON quarantine TO meterhouse_producer;
GRANT INSERT (quarantine_id, action, by, reason) ON quarantine_history TO meterhouse_producer;
GRANT USAGE ON SEQUENCE flush_id TO meterhouse_producer;
GRANT EXECUTE ON FUNCTION dedup_period_ms(), seen_periods(), ensure_seen_periods(integer, integer), visible_tenants()
  TO meterhouse_producer;

-- Relays: to Kafka with rights on the outbox alone; to direct counting as the aggregator, in one transaction.
GRANT SELECT, DELETE ON usage_outbox TO meterhouse_relay, meterhouse_aggregator;
GRANT SELECT, UPDATE ON outbox_lanes, outbox_state TO meterhouse_relay, meterhouse_aggregator;
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_relays TO meterhouse_relay, meterhouse_aggregator;
GRANT EXECUTE ON FUNCTION outbox_last_seq(smallint) TO meterhouse_relay, meterhouse_aggregator;
GRANT SELECT ON usage_outbox, outbox_lanes, outbox_state, outbox_relays TO meterhouse_operator, meterhouse_reader;
GRANT UPDATE (max_rows_per_lane) ON outbox_state TO meterhouse_operator;
