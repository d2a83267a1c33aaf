-- Webhooks: who wants to be told of what, and what is on its way to whom.
SET LOCAL search_path = meterhouse;

-- Roles belong to the whole server, so another database's migration may make them at the same time.
DO $$
BEGIN
  CREATE ROLE meterhouse_webhooks NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL; -- it is there: what we wanted
END $$;
GRANT USAGE ON SCHEMA meterhouse TO meterhouse_webhooks;

-- One address that is told of a tenant and of all below it. secret, previous_secret: sealed with a key
-- that is not in this database. metrics is null: all. thresholds: percent of the limit in force.
-- failures: in a row, by all deliveries. open_until: nothing is sent before. full_since: the bound on
-- what waits was met, and new events find no room.
CREATE TABLE webhook_subscriptions (
  id                   uuid PRIMARY KEY,
  tenant_id            text COLLATE "C" NOT NULL REFERENCES tenants (id),
  url                  text NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
  description          text NOT NULL DEFAULT '' CHECK (length(description) <= 256),
  events               text[] NOT NULL CHECK (cardinality(events) BETWEEN 1 AND 16),
  metrics              text[] CHECK (cardinality(metrics) BETWEEN 1 AND 100),
  thresholds           integer[] NOT NULL CHECK (cardinality(thresholds) <= 20),
  plan_thresholds      boolean NOT NULL,
  quiet_seconds        integer NOT NULL CHECK (quiet_seconds BETWEEN 0 AND 86400),
  secret               bytea NOT NULL CHECK (octet_length(secret) BETWEEN 32 AND 256),
  previous_secret      bytea CHECK (octet_length(previous_secret) BETWEEN 32 AND 256),
  previous_valid_until timestamptz,
  enabled              boolean NOT NULL DEFAULT true,
  disabled_reason      text COLLATE "C" CHECK (disabled_reason IN ('asked', 'failing', 'gone')),
  disabled_at          timestamptz,
  created_at           timestamptz NOT NULL DEFAULT now(),
  created_by           text NOT NULL CHECK (length(created_by) BETWEEN 1 AND 256),
  changed_at           timestamptz NOT NULL DEFAULT now(),
  failures             integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  failing_since        timestamptz,
  open_until           timestamptz,
  full_since           timestamptz,
  last_success_at      timestamptz,
  last_error           text CHECK (length(last_error) <= 500),
  claimed_at           timestamptz,
  CHECK ((previous_secret IS NULL) = (previous_valid_until IS NULL)),
  CHECK (enabled = (disabled_reason IS NULL) AND enabled = (disabled_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX webhook_subscriptions_tenant ON webhook_subscriptions (tenant_id, id);

-- A new secret pushes the old one aside, for as long as previous_valid_until says. Done here, so that
-- whoever rotates need not be able to read either.
CREATE FUNCTION webhook_secret_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.previous_valid_until IS NULL THEN
    NEW.previous_secret := NULL;
  ELSE
    NEW.previous_secret := OLD.secret;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER webhook_subscriptions_rotated BEFORE UPDATE OF secret ON webhook_subscriptions
  FOR EACH ROW EXECUTE FUNCTION webhook_secret_overlap();

-- The outbox. An event is there once for each subscription, by its event_key; its id is what the
-- receiver sees as webhook-id, the same at every attempt. next_attempt_at of a leased row is when its
-- worker is taken for dead. tenant_id is the subscription's, about_tenant the event's. kept: stays as
-- long as its subscription, because it says that its event was told, and what it tells of never ends.
CREATE TABLE webhook_deliveries (
  seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id              uuid NOT NULL UNIQUE,
  subscription_id uuid NOT NULL REFERENCES webhook_subscriptions (id) ON DELETE CASCADE,
  tenant_id       text COLLATE "C" NOT NULL,
  about_tenant    text COLLATE "C" NOT NULL,
  event_key       text COLLATE "C" NOT NULL CHECK (length(event_key) BETWEEN 1 AND 1024),
  event_type      text COLLATE "C" NOT NULL CHECK (length(event_type) BETWEEN 1 AND 64),
  occurred_at     timestamptz NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  body            text NOT NULL CHECK (octet_length(body) <= 65536),
  kept            boolean NOT NULL DEFAULT false,
  state           text COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts        integer NOT NULL DEFAULT 0,
  replays         integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  lease           uuid,
  last_attempt_at timestamptz,
  last_status     integer,
  last_error      text CHECK (length(last_error) <= 500),
  ended_at        timestamptz,
  UNIQUE (subscription_id, event_key),
  CHECK ((state = 'pending') = (next_attempt_at IS NOT NULL)),
  CHECK ((state = 'pending') = (ended_at IS NULL)),
  CHECK (lease IS NULL OR state = 'pending')
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (subscription_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (subscription_id) WHERE state <> 'delivered';
CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (subscription_id, seq DESC);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at) WHERE state <> 'pending' AND NOT kept;

-- One row: every period that ended by then, by whatever calendar, was looked at once more after its end.
CREATE TABLE webhook_periods (
  one             boolean PRIMARY KEY DEFAULT true CHECK (one),
  settled_through timestamptz NOT NULL CHECK (extract(epoch FROM settled_through)::bigint % 3600 = 0)
);

-- Forgets what ended and was made longer ago than this. A row also says that its event was told: it
-- has to outlive its period (31 days) and the time in which a period is looked at again (31 days); what
-- is kept has no such end.
CREATE FUNCTION forget_webhook_deliveries(keep_ms bigint, max_rows bigint) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  forgotten bigint;
BEGIN
  IF keep_ms IS NULL OR max_rows IS NULL OR keep_ms < 70 * 86400000::bigint THEN
    RAISE EXCEPTION 'forget_webhook_deliveries: keep_ms must be 70 days at least'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  WITH old AS (
    SELECT seq FROM webhook_deliveries
    WHERE state <> 'pending' AND NOT kept AND created_at < now() - keep_ms * interval '1 millisecond'
    ORDER BY created_at LIMIT max_rows FOR UPDATE SKIP LOCKED
  )
  DELETE FROM webhook_deliveries AS d USING old WHERE d.seq = old.seq;
  GET DIAGNOSTICS forgotten = ROW_COUNT;
  RETURN forgotten;
END $$;

-- Row-level security ---------------------------------------------------------------------------------
-- As in migration 0007: services see all tenants, meterhouse_api no more than its transaction's scope.
DO $$
DECLARE
  t text;
  visible CONSTANT text := 'tenant_id = ANY ((SELECT visible_tenants())::text[])';
BEGIN
  FOREACH t IN ARRAY ARRAY['webhook_subscriptions', 'webhook_deliveries'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format(
      'CREATE POLICY services ON %I TO meterhouse_webhooks, meterhouse_operator, meterhouse_reader
         USING (true) WITH CHECK (true)', t);
    EXECUTE format(
      $policy$CREATE POLICY owner ON %I TO CURRENT_USER
        USING ((SELECT coalesce(current_setting('meterhouse.tenant_scope', true), '') = '') OR %s)$policy$, t, visible);
    EXECUTE format('CREATE POLICY tenant ON %I TO meterhouse_api USING (%s) WITH CHECK (%s)', t, visible, visible);
  END LOOP;
END $$;
CREATE POLICY webhooks ON tenants FOR SELECT TO meterhouse_webhooks USING (true);
CREATE POLICY webhooks ON usage_hourly FOR SELECT TO meterhouse_webhooks USING (true);

-- Rights ---------------------------------------------------------------------------------------------
REVOKE ALL ON FUNCTION forget_webhook_deliveries(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_webhook_deliveries(bigint, bigint) TO meterhouse_webhooks;

-- The service: tells, notes how it went, and disables what fails. It changes no address and no secret.
GRANT SELECT ON webhook_subscriptions, webhook_deliveries, webhook_periods, tenants, metrics, usage_hourly
  TO meterhouse_webhooks;
GRANT UPDATE (enabled, disabled_reason, disabled_at, failures, failing_since, open_until, full_since,
              last_success_at, last_error, claimed_at) ON webhook_subscriptions TO meterhouse_webhooks;
GRANT INSERT (id, subscription_id, tenant_id, about_tenant, event_key, event_type, occurred_at, body, kept, state,
              next_attempt_at, last_error, ended_at),
      UPDATE (state, attempts, next_attempt_at, lease, last_attempt_at, last_status, last_error, ended_at)
  ON webhook_deliveries TO meterhouse_webhooks;
GRANT INSERT, UPDATE ON webhook_periods TO meterhouse_webhooks;

-- The API on a tenant's behalf: it seals secrets and reads none.
GRANT SELECT (id, tenant_id, url, description, events, metrics, thresholds, plan_thresholds, quiet_seconds,
              previous_valid_until, enabled, disabled_reason, disabled_at, created_at, created_by, changed_at,
              failures, failing_since, open_until, full_since, last_success_at, last_error)
  ON webhook_subscriptions TO meterhouse_api, meterhouse_operator, meterhouse_reader;
GRANT INSERT (id, tenant_id, url, description, events, metrics, thresholds, plan_thresholds, quiet_seconds,
              secret, created_by),
      UPDATE (url, description, events, metrics, thresholds, plan_thresholds, quiet_seconds, secret,
              previous_valid_until, enabled, disabled_reason, disabled_at, changed_at,
              failures, failing_since, open_until, full_since), DELETE
  ON webhook_subscriptions TO meterhouse_api;
GRANT SELECT ON webhook_deliveries TO meterhouse_api;
GRANT SELECT ON webhook_deliveries, webhook_periods TO meterhouse_operator, meterhouse_reader;
GRANT INSERT (id, subscription_id, tenant_id, about_tenant, event_key, event_type, occurred_at, body, kept, state,
              next_attempt_at, last_error, ended_at),
      UPDATE (state, attempts, replays, next_attempt_at, last_error, ended_at)
  ON webhook_deliveries TO meterhouse_api;
