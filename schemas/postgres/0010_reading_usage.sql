-- How many of a bucket's events reached the broker more than five minutes after their hour was over.
-- Null: some of its events were counted before this was written down, so nobody knows.
-- NOT VALID spares the table a reading under lock; what is written from now on is checked.
ALTER TABLE meterhouse.usage_hourly ADD COLUMN late bigint,
  ADD CONSTRAINT usage_hourly_late CHECK (late BETWEEN 0 AND count) NOT VALID;

-- The tenants in sight as a hashed set: as an array they were sorted anew for each tenant that a reading
-- of a subtree came to, and compared one by one for each bucket.
ALTER POLICY tenant ON meterhouse.usage_hourly
  USING (tenant_id IN (SELECT unnest(meterhouse.visible_tenants())))
  WITH CHECK (tenant_id IN (SELECT unnest(meterhouse.visible_tenants())));
