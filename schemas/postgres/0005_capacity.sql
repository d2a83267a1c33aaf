-- Capacity that is set aside ahead of use: intent, not money, and never part of what is billed.
--
-- One pool is one row, and its lock is what orders those who want some of it. Services change
-- nothing here by statements of their own: they call the functions below, each of which decides and
-- writes in one round trip, so that no lock waits for a client's next word.
--
-- Lock order: the pool, then its reservations. A reservation alone may be locked without its pool.
SET LOCAL search_path = meterhouse;

-- The only clock. It takes no argument: a caller's clock decides nothing. Whole milliseconds, so that
-- what is answered is what is stored. Asked after a lock was obtained, never before.
CREATE FUNCTION capacity_now() RETURNS timestamptz
  LANGUAGE sql VOLATILE RETURN date_trunc('milliseconds', clock_timestamp());

-- Higher for each grant of time, over all pools: a resource that remembers the highest one it has
-- seen turns away whoever comes with a lower one.
CREATE SEQUENCE capacity_fencing_token;

-- booked: units of the pool's reservations that have not ended. One that has expired stays in it
-- until it is settled as expired. size may be set below it: then nothing fits until enough has ended.
CREATE TABLE capacity_pools (
  id         text COLLATE "C" PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 128),
  unit       text NOT NULL CHECK (length(unit) BETWEEN 1 AND 128),
  size       bigint NOT NULL CHECK (size BETWEEN 0 AND 1000000000000000),
  booked     bigint NOT NULL DEFAULT 0 CHECK (booked >= 0),
  created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50); -- room for new versions of a hot pool's row beside the old ones

-- Who set a pool's size, from what, and why. Rows are only added.
CREATE TABLE capacity_pool_history (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_id     text COLLATE "C" NOT NULL REFERENCES capacity_pools (id),
  at          timestamptz NOT NULL DEFAULT now(),
  by          text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
  reason      text NOT NULL CHECK (length(reason) <= 1024),
  size_before bigint,
  size        bigint NOT NULL
);
CREATE INDEX capacity_pool_history_pool ON capacity_pool_history (pool_id);

-- state is what was last settled. A live one (held, confirmed) whose expires_at has passed is expired
-- whether or not that has been written down. expires_at is null: until it is released.
-- renewed_from, renewal_key, renewal_ttl_ms: the last renewal, so that its repetition is known.
CREATE TABLE capacity_reservations (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  pool_id          text COLLATE "C" NOT NULL REFERENCES capacity_pools (id),
  tenant_id        text COLLATE "C" NOT NULL REFERENCES tenants (id),
  key              text COLLATE "C" NOT NULL CHECK (length(key) BETWEEN 1 AND 256),
  units            bigint NOT NULL CHECK (units BETWEEN 1 AND 1000000000000000),
  ttl_ms           bigint NOT NULL CHECK (ttl_ms BETWEEN 1 AND 7776000000), -- 90 days
  state            text NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'confirmed', 'released', 'expired')),
  fencing_token    bigint NOT NULL,
  expires_at       timestamptz,
  holder           text NOT NULL CHECK (length(holder) BETWEEN 1 AND 256),
  reserved_at      timestamptz NOT NULL,
  confirmed_at     timestamptz,
  confirmed_ttl_ms bigint CHECK (confirmed_ttl_ms BETWEEN 1 AND 7776000000),
  renewals         bigint NOT NULL DEFAULT 0,
  renewed_at       timestamptz,
  renewed_from     bigint,
  renewal_key      text COLLATE "C" CHECK (length(renewal_key) BETWEEN 1 AND 256),
  renewal_ttl_ms   bigint CHECK (renewal_ttl_ms BETWEEN 1 AND 7776000000),
  ended_at         timestamptz,
  UNIQUE (tenant_id, key),
  CHECK ((state IN ('released', 'expired')) = (ended_at IS NOT NULL)),
  CHECK (expires_at IS NOT NULL OR confirmed_at IS NOT NULL)
);
CREATE INDEX capacity_reservations_live ON capacity_reservations (pool_id, expires_at, id) INCLUDE (units)
  WHERE ended_at IS NULL;
CREATE INDEX capacity_reservations_expiry ON capacity_reservations (expires_at) WHERE ended_at IS NULL;
CREATE INDEX capacity_reservations_ended ON capacity_reservations (ended_at) WHERE ended_at IS NOT NULL;

-- What happened to each, by whom and why. Rows are only added, and outlive the reservation's own row.
-- A renewal is noted when another holder makes it; the others are counted on the reservation, or a
-- lease that is renewed every few seconds would write thousands of lines a day.
CREATE TABLE capacity_history (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  reservation_id bigint NOT NULL,
  at             timestamptz NOT NULL,
  action         text NOT NULL CHECK (action IN ('reserved', 'confirmed', 'renewed', 'released', 'expired')),
  by             text NOT NULL CHECK (length(by) BETWEEN 1 AND 256),
  reason         text NOT NULL CHECK (length(reason) <= 1024),
  pool_id        text COLLATE "C" NOT NULL,
  tenant_id      text COLLATE "C" NOT NULL,
  key            text COLLATE "C" NOT NULL,
  units          bigint NOT NULL,
  fencing_token  bigint NOT NULL,
  expires_at     timestamptz
);
CREATE INDEX capacity_history_reservation ON capacity_history (reservation_id);

-- What every function answers: the outcome, and the fields that go with it.
CREATE TYPE capacity_answer AS (
  outcome        text,
  field          text,
  reservation_id bigint,
  state          text,
  fencing_token  bigint,
  expires_at     timestamptz,
  expires_in_ms  bigint,
  ended_at       timestamptz,
  size           bigint,
  reserved       bigint,
  frees_at       timestamptz,
  frees_units    bigint
);

-- Parts of the functions -----------------------------------------------------------------------

-- A comparison with null is neither true nor false, and would slip past every check below.
CREATE FUNCTION capacity_require(complete boolean) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF NOT complete THEN
    RAISE EXCEPTION 'an argument that must be given is null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
END $$;

CREATE FUNCTION capacity_outcome(outcome text, field text DEFAULT NULL) RETURNS capacity_answer
  LANGUAGE sql IMMUTABLE
  RETURN ROW (outcome, field, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)::capacity_answer;

CREATE FUNCTION capacity_state(r capacity_reservations, at timestamptz) RETURNS text
  LANGUAGE sql IMMUTABLE
  RETURN CASE WHEN (r).ended_at IS NULL AND (r).expires_at <= at THEN 'expired' ELSE (r).state END;

-- A reservation as it stands. Its end is that of its own time, whenever that was settled.
CREATE FUNCTION capacity_standing(outcome text, r capacity_reservations, at timestamptz) RETURNS capacity_answer
  LANGUAGE sql IMMUTABLE
  RETURN ROW (
    outcome, NULL, (r).id, capacity_state(r, at), (r).fencing_token, (r).expires_at,
    floor(extract(epoch FROM (r).expires_at - at) * 1000)::bigint,
    CASE WHEN capacity_state(r, at) = 'expired' THEN (r).expires_at ELSE (r).ended_at END,
    NULL, NULL, NULL, NULL)::capacity_answer;

CREATE FUNCTION capacity_note(
  r capacity_reservations, action text, at timestamptz, who text, why text
) RETURNS void LANGUAGE sql SET search_path = meterhouse, pg_temp AS $$
  INSERT INTO capacity_history
    (reservation_id, at, action, by, reason, pool_id, tenant_id, key, units, fencing_token, expires_at)
  VALUES ((r).id, at, action, who, why, (r).pool_id, (r).tenant_id, (r).key, (r).units, (r).fencing_token, (r).expires_at)
$$;

-- Writes down the end of expired reservations, soonest first. The caller holds the pool's lock.
-- What was settled stays expired, whatever the clock says later.
CREATE FUNCTION capacity_settle(
  settled_pool text, at timestamptz, max_rows bigint, OUT settled bigint, OUT freed bigint
) LANGUAGE plpgsql SET search_path = meterhouse, pg_temp AS $$
BEGIN
  WITH due AS MATERIALIZED (
    SELECT id FROM capacity_reservations
    WHERE pool_id = settled_pool AND ended_at IS NULL AND expires_at <= at
    ORDER BY expires_at, id LIMIT max_rows
    FOR UPDATE
  ), ended AS (
    UPDATE capacity_reservations AS r SET state = 'expired', ended_at = r.expires_at
    FROM due WHERE r.id = due.id
    RETURNING r.*
  ), noted AS (
    INSERT INTO capacity_history
      (reservation_id, at, action, by, reason, pool_id, tenant_id, key, units, fencing_token, expires_at)
    SELECT id, expires_at, 'expired', 'meterhouse', 'its time was over', pool_id, tenant_id, key, units, fencing_token, expires_at
    FROM ended ORDER BY expires_at, id
  )
  SELECT count(*), coalesce(sum(units), 0)::bigint INTO settled, freed FROM ended;
  IF settled > 0 THEN
    UPDATE capacity_pools SET booked = booked - freed WHERE id = settled_pool;
  END IF;
END $$;

-- No capacity for so many units, and what would free up when; or no row where they fit. One statement,
-- so that all of it is true of one moment. The walk goes along the index and stops where it is enough,
-- after 1,000 reservations at the latest.
CREATE FUNCTION capacity_refusal(
  refused_pool text, asked_units bigint, at timestamptz
) RETURNS SETOF capacity_answer LANGUAGE sql STABLE SET search_path = meterhouse, pg_temp AS $$
  WITH room AS (
    SELECT p.size, p.booked - coalesce((
      SELECT sum(r.units) FROM capacity_reservations AS r
      WHERE r.pool_id = p.id AND r.ended_at IS NULL AND r.expires_at <= at), 0)::bigint AS reserved
    FROM capacity_pools AS p WHERE p.id = refused_pool
  )
  SELECT 'no_capacity', NULL::text, NULL::bigint, NULL::text, NULL::bigint, NULL::timestamptz, NULL::bigint,
         NULL::timestamptz, room.size, room.reserved, enough.expires_at,
         coalesce(enough.freed, (
           SELECT sum(soonest.units) FROM (
             SELECT r.units FROM capacity_reservations AS r
             WHERE r.pool_id = refused_pool AND r.ended_at IS NULL AND r.expires_at > at
             ORDER BY r.expires_at, r.id LIMIT 1000
           ) AS soonest), 0)::bigint
  FROM room
  LEFT JOIN LATERAL (
    SELECT walk.expires_at, walk.freed FROM (
      SELECT soonest.expires_at, sum(soonest.units) OVER (ORDER BY soonest.expires_at) AS freed FROM (
        SELECT r.expires_at, r.units FROM capacity_reservations AS r
        WHERE r.pool_id = refused_pool AND r.ended_at IS NULL AND r.expires_at > at
        ORDER BY r.expires_at, r.id LIMIT 1000
      ) AS soonest
    ) AS walk
    WHERE walk.freed >= asked_units - (room.size - room.reserved)
    ORDER BY walk.expires_at LIMIT 1
  ) AS enough ON true
  WHERE room.reserved + asked_units > room.size
$$;

-- The answer to a key that is known: the reservation as it stands, never a second one.
CREATE FUNCTION capacity_repetition(
  known capacity_reservations, asked_pool text, asked_units bigint, asked_ttl_ms bigint, at timestamptz
) RETURNS capacity_answer LANGUAGE sql IMMUTABLE
  RETURN CASE
    WHEN (known).pool_id <> asked_pool THEN capacity_outcome('conflict', 'pool')
    WHEN (known).units <> asked_units THEN capacity_outcome('conflict', 'units')
    WHEN (known).ttl_ms <> asked_ttl_ms THEN capacity_outcome('conflict', 'ttlMs')
    WHEN capacity_state(known, at) IN ('held', 'confirmed') THEN capacity_standing('reserved', known, at)
    ELSE capacity_standing('ended', known, at)
  END;

-- What services call -----------------------------------------------------------------------------

-- Looks without the lock first: a repetition and a refusal need none, so an overrun pool turns
-- away as fast as it can be read, and does not make those wait who give back.
CREATE FUNCTION capacity_reserve(
  asked_pool text, asked_tenant text, asked_units bigint, asked_key text, asked_ttl_ms bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  pool    capacity_pools;
  known   capacity_reservations;
  refusal capacity_answer;
  at      timestamptz := capacity_now();
  locked  boolean := false;
BEGIN
  PERFORM capacity_require(num_nulls(asked_pool, asked_tenant, asked_units, asked_key, asked_ttl_ms, who, why) = 0);
  LOOP
    -- In this order: a key that is not there now was not there either when the pool was found full.
    -- The other way round, a request could be refused for the units of its own twin.
    SELECT * INTO refusal FROM capacity_refusal(asked_pool, asked_units, at);
    SELECT * INTO known FROM capacity_reservations WHERE tenant_id = asked_tenant AND key = asked_key;
    IF FOUND THEN RETURN capacity_repetition(known, asked_pool, asked_units, asked_ttl_ms, at); END IF;
    IF NOT EXISTS (SELECT FROM tenants WHERE id = asked_tenant) THEN RETURN capacity_outcome('unknown_tenant'); END IF;
    IF refusal.outcome IS NOT NULL THEN RETURN refusal; END IF;
    IF locked THEN
      -- Only what is settled counts as free; where more has expired than one round settles, go on.
      PERFORM capacity_settle(asked_pool, at, 500);
      SELECT * INTO pool FROM capacity_pools WHERE id = asked_pool;
      EXIT WHEN pool.booked + asked_units <= pool.size;
    ELSE
      PERFORM FROM capacity_pools WHERE id = asked_pool FOR NO KEY UPDATE;
      IF NOT FOUND THEN RETURN capacity_outcome('unknown_pool'); END IF;
      locked := true;
      at := capacity_now();
    END IF;
  END LOOP;

  INSERT INTO capacity_reservations
    (pool_id, tenant_id, key, units, ttl_ms, fencing_token, expires_at, holder, reserved_at)
  VALUES (asked_pool, asked_tenant, asked_key, asked_units, asked_ttl_ms, nextval('capacity_fencing_token'),
          at + asked_ttl_ms * interval '1 millisecond', who, at)
  ON CONFLICT (tenant_id, key) DO NOTHING
  RETURNING * INTO known;
  IF NOT FOUND THEN
    -- The same key was used for another pool meanwhile: that pool's lock is not ours.
    SELECT * INTO known FROM capacity_reservations WHERE tenant_id = asked_tenant AND key = asked_key;
    RETURN capacity_repetition(known, asked_pool, asked_units, asked_ttl_ms, at);
  END IF;
  UPDATE capacity_pools SET booked = booked + asked_units WHERE id = asked_pool;
  PERFORM capacity_note(known, 'reserved', at, who, why);
  RETURN capacity_standing('reserved', known, at);
END $$;

-- asked_ttl_ms null: until it is released.
CREATE FUNCTION capacity_confirm(
  asked_id bigint, asked_tenant text, asked_token bigint, asked_ttl_ms bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  r  capacity_reservations;
  at timestamptz;
BEGIN
  PERFORM capacity_require(num_nulls(asked_id, asked_tenant, asked_token, who, why) = 0);
  SELECT * INTO r FROM capacity_reservations WHERE id = asked_id AND tenant_id = asked_tenant FOR UPDATE;
  IF NOT FOUND THEN RETURN capacity_outcome('unknown_reservation'); END IF;
  at := capacity_now();
  IF r.fencing_token <> asked_token THEN RETURN capacity_outcome('stale_token'); END IF;
  CASE capacity_state(r, at)
    WHEN 'expired' THEN RETURN capacity_standing('expired', r, at);
    WHEN 'released' THEN RETURN capacity_standing('released', r, at);
    WHEN 'confirmed' THEN
      IF r.confirmed_ttl_ms IS DISTINCT FROM asked_ttl_ms THEN RETURN capacity_outcome('conflict', 'ttlMs'); END IF;
    WHEN 'held' THEN
      UPDATE capacity_reservations AS c
      SET state = 'confirmed', confirmed_at = at, confirmed_ttl_ms = asked_ttl_ms, holder = who,
          expires_at = at + asked_ttl_ms * interval '1 millisecond'
      WHERE c.id = asked_id RETURNING * INTO r;
      PERFORM capacity_note(r, 'confirmed', at, who, why);
  END CASE;
  RETURN capacity_standing('confirmed', r, at);
END $$;

-- A new term for a lease, from now, and a new token: whoever still has the old one is out. A
-- renewal is known by its key and the token it was made with, so that its lost answer can be asked for.
CREATE FUNCTION capacity_renew(
  asked_id bigint, asked_tenant text, asked_token bigint, asked_key text, asked_ttl_ms bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  r        capacity_reservations;
  at       timestamptz;
  repeated boolean;
  before   text;
BEGIN
  PERFORM capacity_require(num_nulls(asked_id, asked_tenant, asked_token, asked_key, asked_ttl_ms, who, why) = 0);
  SELECT * INTO r FROM capacity_reservations WHERE id = asked_id AND tenant_id = asked_tenant FOR UPDATE;
  IF NOT FOUND THEN RETURN capacity_outcome('unknown_reservation'); END IF;
  at := capacity_now();
  repeated := coalesce(r.renewal_key = asked_key AND r.renewed_from = asked_token, false);
  IF r.fencing_token <> asked_token AND NOT repeated THEN RETURN capacity_outcome('stale_token'); END IF;
  IF repeated AND r.renewal_ttl_ms <> asked_ttl_ms THEN RETURN capacity_outcome('conflict', 'ttlMs'); END IF;
  CASE capacity_state(r, at)
    WHEN 'expired' THEN RETURN capacity_standing('expired', r, at);
    WHEN 'released' THEN RETURN capacity_standing('released', r, at);
    ELSE
      IF repeated THEN RETURN capacity_standing('renewed', r, at); END IF;
      IF r.expires_at IS NULL THEN RETURN capacity_standing('does_not_expire', r, at); END IF;
  END CASE;
  before := r.holder;
  UPDATE capacity_reservations AS c
  SET expires_at = at + asked_ttl_ms * interval '1 millisecond', fencing_token = nextval('capacity_fencing_token'),
      renewals = c.renewals + 1, renewed_at = at, renewed_from = asked_token, renewal_key = asked_key,
      renewal_ttl_ms = asked_ttl_ms, holder = who
  WHERE c.id = asked_id RETURNING * INTO r;
  IF before <> who THEN PERFORM capacity_note(r, 'renewed', at, who, why); END IF;
  RETURN capacity_standing('renewed', r, at);
END $$;

CREATE FUNCTION capacity_release(
  asked_id bigint, asked_tenant text, asked_token bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  r  capacity_reservations;
  at timestamptz;
BEGIN
  PERFORM capacity_require(num_nulls(asked_id, asked_tenant, asked_token, who, why) = 0);
  SELECT * INTO r FROM capacity_reservations WHERE id = asked_id AND tenant_id = asked_tenant;
  IF NOT FOUND THEN RETURN capacity_outcome('unknown_reservation'); END IF;
  PERFORM FROM capacity_pools WHERE id = r.pool_id FOR NO KEY UPDATE;
  SELECT * INTO r FROM capacity_reservations WHERE id = asked_id FOR UPDATE;
  IF NOT FOUND THEN RETURN capacity_outcome('unknown_reservation'); END IF;
  at := capacity_now();
  IF r.fencing_token <> asked_token THEN RETURN capacity_outcome('stale_token'); END IF;
  CASE capacity_state(r, at)
    WHEN 'expired' THEN RETURN capacity_standing('expired', r, at);
    WHEN 'released' THEN RETURN capacity_standing('released', r, at);
    ELSE
      UPDATE capacity_reservations AS c SET state = 'released', ended_at = at, holder = who
      WHERE c.id = asked_id RETURNING * INTO r;
      UPDATE capacity_pools SET booked = booked - r.units WHERE id = r.pool_id;
      PERFORM capacity_note(r, 'released', at, who, why);
  END CASE;
  RETURN capacity_standing('released', r, at);
END $$;

-- Housekeeping -----------------------------------------------------------------------------------
-- Nothing above waits for it: it keeps the tables small and the history in time.

-- Settles expired reservations of one pool, that of the one that expired first. 0: there is nothing to settle.
CREATE FUNCTION capacity_sweep(max_rows bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  due text;
BEGIN
  SELECT pool_id INTO due FROM capacity_reservations
  WHERE ended_at IS NULL AND expires_at <= capacity_now() ORDER BY expires_at LIMIT 1;
  IF NOT FOUND THEN RETURN 0; END IF;
  PERFORM FROM capacity_pools WHERE id = due FOR NO KEY UPDATE;
  RETURN (SELECT settled FROM capacity_settle(due, capacity_now(), max_rows));
END $$;

-- Forgets reservations that ended longer ago than this, and their keys. The history stays.
CREATE FUNCTION capacity_forget(keep_ms bigint, max_rows bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  forgotten bigint;
BEGIN
  IF keep_ms < 86400000 THEN
    RAISE EXCEPTION 'capacity_forget: keep_ms must be a day at least' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  WITH old AS (
    SELECT id FROM capacity_reservations
    WHERE ended_at IS NOT NULL AND ended_at < capacity_now() - keep_ms * interval '1 millisecond'
    ORDER BY ended_at LIMIT max_rows FOR UPDATE SKIP LOCKED
  )
  DELETE FROM capacity_reservations AS r USING old WHERE r.id = old.id;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;

-- Rights -----------------------------------------------------------------------------------------
-- Roles belong to the whole server, so another database's migration may make them at the same time.
DO $$
BEGIN
  CREATE ROLE meterhouse_gate NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- it is there: what we wanted
END $$;

REVOKE ALL ON FUNCTION
  capacity_now(),
  capacity_require(boolean),
  capacity_outcome(text, text),
  capacity_state(capacity_reservations, timestamptz),
  capacity_standing(text, capacity_reservations, timestamptz),
  capacity_note(capacity_reservations, text, timestamptz, text, text),
  capacity_settle(text, timestamptz, bigint),
  capacity_refusal(text, bigint, timestamptz),
  capacity_repetition(capacity_reservations, text, bigint, bigint, timestamptz),
  capacity_reserve(text, text, bigint, text, bigint, text, text),
  capacity_confirm(bigint, text, bigint, bigint, text, text),
  capacity_renew(bigint, text, bigint, text, bigint, text, text),
  capacity_release(bigint, text, bigint, text, text),
  capacity_sweep(bigint),
  capacity_forget(bigint, bigint)
FROM PUBLIC;

-- What asks for capacity on behalf of others reads and writes nothing but through these four.
GRANT USAGE ON SCHEMA meterhouse TO meterhouse_gate;
GRANT EXECUTE ON FUNCTION
  capacity_reserve(text, text, bigint, text, bigint, text, text),
  capacity_confirm(bigint, text, bigint, bigint, text, text),
  capacity_renew(bigint, text, bigint, text, bigint, text, text),
  capacity_release(bigint, text, bigint, text, text)
TO meterhouse_gate, meterhouse_operator;
GRANT EXECUTE ON FUNCTION capacity_sweep(bigint), capacity_forget(bigint, bigint) TO meterhouse_operator;

GRANT SELECT ON capacity_pools, capacity_pool_history, capacity_reservations, capacity_history
  TO meterhouse_reader, meterhouse_operator;
GRANT EXECUTE ON FUNCTION capacity_now() TO meterhouse_reader, meterhouse_operator;

-- A person sets a pool's size; what is booked is written by the functions alone.
GRANT INSERT (id, unit, size), UPDATE (size) ON capacity_pools TO meterhouse_operator;
GRANT INSERT (pool_id, by, reason, size_before, size) ON capacity_pool_history TO meterhouse_operator;
