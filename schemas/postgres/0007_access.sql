-- Who may: keys, row-level security, and the audit log.
SET LOCAL search_path = meterhouse;

-- Roles belong to the whole server, so another database's migration may make them at the same time.
DO $$
BEGIN
  CREATE ROLE meterhouse_api NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- it is there: what we wanted
END $$;
GRANT USAGE ON SCHEMA meterhouse TO meterhouse_api;

-- API keys -----------------------------------------------------------------------------------

-- Of the secret there is only its SHA-256. previous_hash: the secret before the last rotation, good
-- until previous_valid_until. tenant_id is null: the whole platform.
CREATE TABLE api_keys (
  key_id               text COLLATE "C" PRIMARY KEY CHECK (key_id ~ '^[0-9a-f]{16}$'),
  tenant_id            text COLLATE "C" REFERENCES tenants (id),
  role                 text COLLATE "C" NOT NULL,
  name                 text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
  secret_hash          bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
  previous_hash        bytea CHECK (octet_length(previous_hash) = 32),
  previous_valid_until timestamptz,
  created_at           timestamptz NOT NULL DEFAULT now(),
  created_by           text NOT NULL CHECK (length(created_by) BETWEEN 1 AND 256),
  expires_at           timestamptz,
  rotated_at           timestamptz,
  rotated_by           text CHECK (length(rotated_by) BETWEEN 1 AND 256),
  revoked_at           timestamptz,
  revoked_by           text CHECK (length(revoked_by) BETWEEN 1 AND 256),
  last_used_at         timestamptz,
  CHECK ((previous_hash IS NULL) = (previous_valid_until IS NULL)),
  CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
  CHECK ((rotated_at IS NULL) = (rotated_by IS NULL)),
  CONSTRAINT api_keys_role_fits_scope CHECK (CASE role
    WHEN 'ingest' THEN tenant_id IS NOT NULL
    WHEN 'tenant_reader' THEN tenant_id IS NOT NULL
    WHEN 'tenant_admin' THEN tenant_id IS NOT NULL
    WHEN 'finance' THEN true
    WHEN 'operator' THEN tenant_id IS NULL
    WHEN 'platform_admin' THEN tenant_id IS NULL
    ELSE false
  END)
);
CREATE INDEX api_keys_tenant ON api_keys (tenant_id, key_id);

CREATE FUNCTION refuse_api_key_return() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'API key % is revoked for good', OLD.key_id USING ERRCODE = 'object_not_in_prerequisite_state';
END $$;
CREATE TRIGGER api_keys_revoked_for_good BEFORE UPDATE ON api_keys FOR EACH ROW
  WHEN (OLD.revoked_at IS NOT NULL AND (NEW.revoked_at, NEW.secret_hash) IS DISTINCT FROM (OLD.revoked_at, OLD.secret_hash))
  EXECUTE FUNCTION refuse_api_key_return();

-- Whoever checks a key knows no tenant yet: it gets the one row that it names, and may note its use.
CREATE FUNCTION api_key_to_check(asked_key_id text) RETURNS SETOF api_keys
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
  SELECT * FROM api_keys WHERE key_id = asked_key_id
$$;
CREATE FUNCTION api_key_touch(used_key_id text) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
  UPDATE api_keys SET last_used_at = now()
  WHERE key_id = used_key_id AND (last_used_at IS NULL OR last_used_at <= now() - interval '1 minute')
$$;

-- Audit log ----------------------------------------------------------------------------------

-- Every mutation and every privileged read, by whom, with what outcome. Rows are only added, each
-- carries the hash of the one before it, and seq has no gaps: a row that is changed, taken out or put
-- in breaks the chain. tenant_id is what was named, registered or not; null: the whole platform.
CREATE TABLE audit_log (
  seq            bigint PRIMARY KEY,
  at             timestamptz NOT NULL,
  actor_type     text COLLATE "C" NOT NULL CHECK (length(actor_type) BETWEEN 1 AND 64),
  actor_id       text COLLATE "C" NOT NULL CHECK (length(actor_id) BETWEEN 1 AND 256),
  key_id         text COLLATE "C" CHECK (length(key_id) BETWEEN 1 AND 64),
  role           text COLLATE "C" CHECK (length(role) BETWEEN 1 AND 64),
  action         text COLLATE "C" NOT NULL CHECK (length(action) BETWEEN 1 AND 128),
  tenant_id      text COLLATE "C" CHECK (length(tenant_id) BETWEEN 1 AND 256),
  target         text COLLATE "C" CHECK (length(target) BETWEEN 1 AND 512),
  outcome        text COLLATE "C" NOT NULL CHECK (outcome IN ('done', 'denied', 'failed')),
  correlation_id text COLLATE "C" CHECK (length(correlation_id) BETWEEN 1 AND 256),
  details        jsonb NOT NULL DEFAULT '{}'
                 CHECK (jsonb_typeof(details) = 'object' AND octet_length(details::text) <= 8192),
  prev_hash      bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
  hash           bytea NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE INDEX audit_log_tenant ON audit_log (tenant_id, seq);
CREATE INDEX audit_log_at ON audit_log (at, seq);

-- Where the chain ends. Its lock orders those who append, so it is taken last before COMMIT.
CREATE TABLE audit_head (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  seq      bigint NOT NULL,
  hash     bytea NOT NULL
);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- A field cannot run into the next: its length in bytes stands before it, and null has none.
CREATE FUNCTION audit_field(value text) RETURNS text LANGUAGE sql STABLE
  RETURN coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-') || ';';

CREATE FUNCTION audit_hash(entry audit_log) RETURNS bytea LANGUAGE sql STABLE
  SET search_path = meterhouse, pg_temp AS $$
  SELECT sha256(convert_to(
    audit_field('meterhouse-audit-1') || audit_field(encode((entry).prev_hash, 'hex')) || audit_field((entry).seq::text) ||
    audit_field((extract(epoch FROM (entry).at) * 1000)::bigint::text) ||
    audit_field((entry).actor_type) || audit_field((entry).actor_id) || audit_field((entry).key_id) ||
    audit_field((entry).role) || audit_field((entry).action) || audit_field((entry).tenant_id) ||
    audit_field((entry).target) || audit_field((entry).outcome) || audit_field((entry).correlation_id) ||
    audit_field((entry).details::text), 'UTF8'))
$$;

-- Whoever appends says what happened; seq, time and hashes are not theirs to say.
CREATE FUNCTION audit_append() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  head audit_head;
BEGIN
  SELECT * INTO STRICT head FROM audit_head FOR UPDATE;
  NEW.seq := head.seq + 1;
  NEW.at := date_trunc('milliseconds', clock_timestamp());
  NEW.prev_hash := head.hash;
  NEW.hash := audit_hash(NEW);
  UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
  RETURN NEW;
END $$;
CREATE TRIGGER audit_log_append BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_append();

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is only added to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

-- Row-level security -------------------------------------------------------------------------

-- The tenants that a transaction may see: the one it named with SET LOCAL, and all below it. None
-- without a name. The owner's eyes are needed: nobody else sees the whole tree.
CREATE FUNCTION visible_tenants() RETURNS text[]
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
  WITH RECURSIVE below AS (
    SELECT id FROM tenants WHERE id = current_setting('meterhouse.tenant_scope', true)
    UNION
    SELECT t.id FROM tenants AS t JOIN below AS b ON t.parent = b.id
  )
  SELECT coalesce(array_agg(id), '{}') FROM below
$$;

-- Policies of three kinds. `services`: those that work for all tenants; their grants say what they may.
-- `tenant`: meterhouse_api, only ever within its transaction's scope. `owner`: everything, so that
-- migrations and the functions above work, but within a scope no more than the scope.
-- Every (SELECT ...) is worked out once a statement, not once a row.
CREATE FUNCTION pg_temp.secure(of_table text, services text, visible text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', of_table);
  EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', of_table);
  EXECUTE format('CREATE POLICY services ON %I TO %s USING (true) WITH CHECK (true)', of_table, services);
  EXECUTE format(
    $policy$CREATE POLICY owner ON %I TO CURRENT_USER
      USING ((SELECT coalesce(current_setting('meterhouse.tenant_scope', true), '') = '') OR %s)$policy$,
    of_table, coalesce(visible, 'false'));
  IF visible IS NOT NULL THEN
    EXECUTE format('CREATE POLICY tenant ON %I TO meterhouse_api USING (%s) WITH CHECK (%s)', of_table, visible, visible);
  END IF;
END $$;

SELECT pg_temp.secure(of_table, services, replace(visible, 'MINE', '(SELECT visible_tenants())::text[]'))
FROM (VALUES
  ('everyone', 'meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader'),
  ('people', 'meterhouse_operator, meterhouse_reader'),
  ('decisions', 'meterhouse_decisions, meterhouse_operator, meterhouse_reader')
) AS who(name, services)
JOIN (VALUES
  ('usage_hourly', 'everyone', 'tenant_id = ANY (MINE)'),
  ('quarantine', 'everyone', 'tenant_id = ANY (MINE)'),
  ('quarantine_history', 'everyone', 'EXISTS (SELECT FROM quarantine AS q WHERE q.id = quarantine_id)'),
  ('seen_events', 'everyone',
   'tenant_number = ANY (ARRAY(SELECT number FROM tenants WHERE id = ANY (MINE)))'),
  ('registry_changes', 'everyone', $visible$
    CASE
      WHEN kind IN ('metric', 'product') THEN true
      WHEN kind = 'tenant' THEN id = ANY (MINE)
      WHEN kind IN ('override', 'entitlement', 'delegation') THEN
        (before IS NULL OR (before ->> 'tenant' = ANY (MINE)
          AND (kind <> 'delegation' OR before ->> 'to' = ANY (MINE))))
        AND (after IS NULL OR (after ->> 'tenant' = ANY (MINE)
          AND (kind <> 'delegation' OR after ->> 'to' = ANY (MINE))))
      ELSE false
    END$visible$),
  -- Rows of many tenants at once: nothing for a single one to read.
  ('change_log', 'everyone', NULL),
  ('unreadable_decisions', 'decisions', NULL),
  ('decisions', 'decisions', 'tenant_id = ANY (MINE)'),
  ('capacity_reservations', 'people', 'tenant_id = ANY (MINE)'),
  ('capacity_history', 'people', 'tenant_id = ANY (MINE)'),
  ('api_keys', 'people', 'tenant_id = ANY (MINE)'),
  ('audit_log', 'people', 'tenant_id = ANY (MINE)')
) AS secured(of_table, who, visible) ON secured.who = who.name;

-- The tree itself: visible_tenants() reads it as the owner, so the owner's policy cannot ask that function.
ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY services ON tenants
  TO meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader USING (true) WITH CHECK (true);
CREATE POLICY owner ON tenants TO CURRENT_USER USING (true);
-- The tree is changed as a whole, by those who work for all tenants.
CREATE POLICY tenant ON tenants FOR SELECT TO meterhouse_api USING (id = ANY ((SELECT visible_tenants())::text[]));

-- A view is read with its reader's rights, or it would show what the table hides.
ALTER VIEW usage_daily SET (security_invoker = true);

-- A partition that is named itself is a table of its own. Without a policy it shows nobody anything;
-- what comes by way of seen_events goes by the policies there.
CREATE OR REPLACE FUNCTION ensure_seen_periods(first_period integer, last_period integer) RETURNS void
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
      EXECUTE format('ALTER TABLE seen_events_p%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', p);
    END IF;
  END LOOP;
END $$;
DO $$
DECLARE p integer;
BEGIN
  FOR p IN SELECT seen_periods() LOOP
    EXECUTE format('ALTER TABLE seen_events_p%s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', p);
  END LOOP;
END $$;

-- Capacity on a tenant's behalf --------------------------------------------------------------

-- The functions of migration 0005 work for every tenant, and settle what others let expire. These
-- stand before them: the tenant has to lie in the transaction's scope, else it is as if it did not exist.

-- The scope, which is left; null, and nothing is left, where the tenant does not lie in it.
CREATE FUNCTION leave_scope_of(asked_tenant text) RETURNS text
  LANGUAGE plpgsql SET search_path = meterhouse, pg_temp AS $$
DECLARE
  scope text := current_setting('meterhouse.tenant_scope', true);
BEGIN
  IF (asked_tenant = ANY (visible_tenants())) IS NOT TRUE THEN RETURN NULL; END IF;
  PERFORM set_config('meterhouse.tenant_scope', '', true);
  RETURN scope;
END $$;

CREATE FUNCTION tenant_capacity_reserve(
  asked_pool text, asked_tenant text, asked_units bigint, asked_key text, asked_ttl_ms bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  scope  text := leave_scope_of(asked_tenant);
  answer capacity_answer;
BEGIN
  IF scope IS NULL THEN RETURN capacity_outcome('unknown_tenant'); END IF;
  answer := capacity_reserve(asked_pool, asked_tenant, asked_units, asked_key, asked_ttl_ms, who, why);
  PERFORM set_config('meterhouse.tenant_scope', scope, true);
  RETURN answer;
END $$;
CREATE FUNCTION tenant_capacity_confirm(
  asked_id bigint, asked_tenant text, asked_token bigint, asked_ttl_ms bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  scope  text := leave_scope_of(asked_tenant);
  answer capacity_answer;
BEGIN
  IF scope IS NULL THEN RETURN capacity_outcome('unknown_reservation'); END IF;
  answer := capacity_confirm(asked_id, asked_tenant, asked_token, asked_ttl_ms, who, why);
  PERFORM set_config('meterhouse.tenant_scope', scope, true);
  RETURN answer;
END $$;
CREATE FUNCTION tenant_capacity_renew(
  asked_id bigint, asked_tenant text, asked_token bigint, asked_key text, asked_ttl_ms bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  scope  text := leave_scope_of(asked_tenant);
  answer capacity_answer;
BEGIN
  IF scope IS NULL THEN RETURN capacity_outcome('unknown_reservation'); END IF;
  answer := capacity_renew(asked_id, asked_tenant, asked_token, asked_key, asked_ttl_ms, who, why);
  PERFORM set_config('meterhouse.tenant_scope', scope, true);
  RETURN answer;
END $$;
CREATE FUNCTION tenant_capacity_release(
  asked_id bigint, asked_tenant text, asked_token bigint, who text, why text
) RETURNS capacity_answer LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  scope  text := leave_scope_of(asked_tenant);
  answer capacity_answer;
BEGIN
  IF scope IS NULL THEN RETURN capacity_outcome('unknown_reservation'); END IF;
  answer := capacity_release(asked_id, asked_tenant, asked_token, who, why);
  PERFORM set_config('meterhouse.tenant_scope', scope, true);
  RETURN answer;
END $$;

-- Rights -------------------------------------------------------------------------------------
REVOKE ALL ON FUNCTION
  visible_tenants(), leave_scope_of(text), refuse_api_key_return(), api_key_to_check(text), api_key_touch(text),
  audit_field(text), audit_hash(audit_log), audit_append(), refuse_audit_change(),
  tenant_capacity_reserve(text, text, bigint, text, bigint, text, text),
  tenant_capacity_confirm(bigint, text, bigint, bigint, text, text),
  tenant_capacity_renew(bigint, text, bigint, text, bigint, text, text),
  tenant_capacity_release(bigint, text, bigint, text, text)
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
  visible_tenants(), api_key_to_check(text), api_key_touch(text),
  tenant_capacity_reserve(text, text, bigint, text, bigint, text, text),
  tenant_capacity_confirm(bigint, text, bigint, bigint, text, text),
  tenant_capacity_renew(bigint, text, bigint, text, bigint, text, text),
  tenant_capacity_release(bigint, text, bigint, text, text)
TO meterhouse_api;

-- What a tenant may read, and what every tenant may: what is measured, and up to when it is complete.
GRANT SELECT ON tenants, usage_hourly, usage_daily, quarantine, quarantine_history, decisions,
  capacity_reservations, capacity_history, api_keys, audit_log,
  registry_version, metrics, progress TO meterhouse_api;
-- Not who changed it and why: those are the platform's own people and words.
GRANT SELECT (kind, id, version, before, after, at) ON registry_changes TO meterhouse_api;
-- What the API writes on a tenant's behalf.
GRANT UPDATE (status, resolved_at) ON quarantine TO meterhouse_api;
GRANT INSERT (quarantine_id, action, by, reason) ON quarantine_history TO meterhouse_api;

GRANT INSERT (key_id, tenant_id, role, name, secret_hash, created_by, expires_at),
      UPDATE (secret_hash, previous_hash, previous_valid_until, rotated_at, rotated_by, revoked_at, revoked_by)
  ON api_keys TO meterhouse_api, meterhouse_operator;
GRANT SELECT ON api_keys TO meterhouse_operator;
GRANT SELECT (key_id, tenant_id, role, name, previous_valid_until, created_at, created_by, expires_at, rotated_at,
              rotated_by, revoked_at, revoked_by, last_used_at) ON api_keys TO meterhouse_reader;

GRANT INSERT (actor_type, actor_id, key_id, role, action, tenant_id, target, outcome, correlation_id, details)
  ON audit_log TO meterhouse_api, meterhouse_operator;
GRANT SELECT ON audit_log, audit_head TO meterhouse_operator, meterhouse_reader;
