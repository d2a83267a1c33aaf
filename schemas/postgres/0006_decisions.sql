-- Decisions of enforcement points, each with everything that it looked at, so that it can be made again
-- later. Rows are only added: nobody is granted UPDATE, DELETE or TRUNCATE, and retention is a function
-- that takes away nothing but what is old.
SET LOCAL search_path = meterhouse;

-- at is the enforcement point's clock and may be wrong; received_at is ours, and what retention goes by.
-- The columns repeat what is in the record, for lists; the record is what is replayed.
CREATE TABLE decisions (
  id               uuid PRIMARY KEY,
  at               timestamptz NOT NULL,
  received_at      timestamptz NOT NULL DEFAULT now(),
  tenant_id        text COLLATE "C" NOT NULL CHECK (length(tenant_id) BETWEEN 1 AND 256),
  outcome          text COLLATE "C" NOT NULL CHECK (outcome IN ('allow', 'deny', 'warn')),
  reason           text COLLATE "C" NOT NULL CHECK (length(reason) BETWEEN 1 AND 64),
  correlation_id   text COLLATE "C" NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 256),
  actor_type       text COLLATE "C" NOT NULL CHECK (length(actor_type) BETWEEN 1 AND 256),
  actor_id         text COLLATE "C" NOT NULL CHECK (length(actor_id) BETWEEN 1 AND 256),
  registry_version bigint NOT NULL CHECK (registry_version >= 0),
  record           jsonb NOT NULL CHECK (jsonb_typeof(record) = 'object')
);
CREATE INDEX decisions_at ON decisions (at DESC, id DESC);
CREATE INDEX decisions_tenant ON decisions (tenant_id, at DESC, id DESC);
CREATE INDEX decisions_reason ON decisions (reason, at DESC, id DESC);
CREATE INDEX decisions_outcome ON decisions (outcome, at DESC, id DESC);
CREATE INDEX decisions_received ON decisions (received_at);

-- Messages of the topic that are no decision, whole, with why. A topic that is made anew begins its
-- offsets again, so the message itself is part of the key.
CREATE TABLE unreadable_decisions (
  topic       text COLLATE "C" NOT NULL,
  partition   integer NOT NULL,
  "offset"    bigint NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  reason      text NOT NULL CHECK (reason IN ('undecodable', 'invalid_record', 'refused_by_store')),
  detail      text NOT NULL CHECK (length(detail) <= 1000),
  payload     bytea,
  digest      bytea GENERATED ALWAYS AS (sha256(coalesce(payload, ''::bytea))) STORED,
  PRIMARY KEY (topic, partition, "offset", digest)
);
CREATE INDEX unreadable_decisions_received ON unreadable_decisions (received_at);

-- How far the topic is kept, for whoever watches. Where to go on is what Kafka's group says.
-- complete_through: all that the partition had before then is kept.
CREATE TABLE decision_log_partitions (
  topic            text COLLATE "C" NOT NULL,
  partition        integer NOT NULL,
  log_start        bigint NOT NULL,
  next_offset      bigint NOT NULL,
  log_end          bigint NOT NULL,
  complete_through timestamptz,
  looked_at        timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);

-- What the service calls ------------------------------------------------------------------------------

-- age_ms: how long ago the offsets were asked for.
CREATE FUNCTION decision_log_stand(
  of_topic text, of_partition integer, starts bigint, next bigint, ends bigint, age_ms bigint
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
  INSERT INTO decision_log_partitions AS known (topic, partition, log_start, next_offset, log_end, complete_through)
  VALUES (of_topic, of_partition, starts, next, ends,
          CASE WHEN next >= ends THEN now() - age_ms * interval '1 millisecond' END)
  ON CONFLICT (topic, partition) DO UPDATE
  SET log_start = excluded.log_start, next_offset = excluded.next_offset, log_end = excluded.log_end,
      looked_at = now(), complete_through = greatest(known.complete_through, excluded.complete_through)
$$;

-- Forgets what was received longer ago than this, and the messages that could not be read with it.
CREATE FUNCTION forget_decisions(keep_ms bigint, max_rows bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  forgotten bigint;
  unreadable bigint;
BEGIN
  IF keep_ms IS NULL OR max_rows IS NULL OR keep_ms < 86400000 THEN
    RAISE EXCEPTION 'forget_decisions: keep_ms must be a day at least' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  WITH old AS (
    SELECT id FROM decisions WHERE received_at < now() - keep_ms * interval '1 millisecond'
    ORDER BY received_at LIMIT max_rows FOR UPDATE SKIP LOCKED
  )
  DELETE FROM decisions AS d USING old WHERE d.id = old.id;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  WITH old AS (
    SELECT topic, partition, "offset", digest FROM unreadable_decisions
    WHERE received_at < now() - keep_ms * interval '1 millisecond'
    ORDER BY received_at LIMIT greatest(max_rows - forgotten, 0) FOR UPDATE SKIP LOCKED
  )
  DELETE FROM unreadable_decisions AS u USING old
  WHERE (u.topic, u.partition, u."offset", u.digest) = (old.topic, old.partition, old."offset", old.digest);
  GET DIAGNOSTICS unreadable = ROW_COUNT;
  RETURN forgotten + unreadable;
END $$;

-- Rights ----------------------------------------------------------------------------------------------
-- Roles belong to the whole server, so another database's migration may make them at the same time.
DO $$
BEGIN
  CREATE ROLE meterhouse_decisions NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- it is there: what we wanted
END $$;

REVOKE ALL ON FUNCTION
  decision_log_stand(text, integer, bigint, bigint, bigint, bigint), forget_decisions(bigint, bigint) FROM PUBLIC;
GRANT USAGE ON SCHEMA meterhouse TO meterhouse_decisions;
-- Not received_at: a decision cannot be written as older or newer than it came.
GRANT INSERT (id, at, tenant_id, outcome, reason, correlation_id, actor_type, actor_id, registry_version, record)
  ON decisions TO meterhouse_decisions;
GRANT INSERT (topic, partition, "offset", reason, detail, payload) ON unreadable_decisions TO meterhouse_decisions;
GRANT EXECUTE ON FUNCTION
  decision_log_stand(text, integer, bigint, bigint, bigint, bigint), forget_decisions(bigint, bigint)
  TO meterhouse_decisions;

GRANT SELECT ON decisions, unreadable_decisions, decision_log_partitions TO meterhouse_reader, meterhouse_operator;
