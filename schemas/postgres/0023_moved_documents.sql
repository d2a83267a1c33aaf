-- A document that is moved to another tenant under its id is the new tenant's from then on, and not the
-- former's any more. The row that says so names both.
SET LOCAL search_path = meterhouse;

-- Whether no later version changed or removed the document; nothing else is told of what is not visible.
-- The scope is left while it looks, or an owner that is no superuser would see no more than its caller.
CREATE FUNCTION registry_stands(of_kind text, of_id text, at_version bigint) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = meterhouse, pg_temp AS $$
DECLARE
  scope  text := coalesce(current_setting('meterhouse.tenant_scope', true), '');
  stands boolean;
BEGIN
  PERFORM set_config('meterhouse.tenant_scope', '', true);
  stands := NOT EXISTS (
    SELECT FROM registry_changes WHERE kind = of_kind AND id = of_id AND version > at_version
  );
  PERFORM set_config('meterhouse.tenant_scope', scope, true);
  RETURN stands;
END $$;
REVOKE ALL ON FUNCTION registry_stands(text, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry_stands(text, text, bigint) TO meterhouse_api, meterhouse_reader, meterhouse_operator;

-- A tenant sees what became its own, whoever had it before; what it was then is in no column that it may read.
REVOKE SELECT (before) ON registry_changes FROM meterhouse_api;
DO $$
DECLARE
  visible CONSTANT text := $visible$
    CASE
      WHEN kind IN ('metric', 'product') THEN true
      WHEN kind = 'tenant' THEN id = ANY ((SELECT visible_tenants())::text[])
      WHEN kind IN ('override', 'entitlement', 'delegation') THEN
        after ->> 'tenant' = ANY ((SELECT visible_tenants())::text[])
        AND (kind <> 'delegation' OR after ->> 'to' = ANY ((SELECT visible_tenants())::text[]))
      ELSE false
    END$visible$;
BEGIN
  EXECUTE format('ALTER POLICY tenant ON registry_changes USING (%s) WITH CHECK (%s)', visible, visible);
END $$;
