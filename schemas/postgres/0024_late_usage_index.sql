-- Buckets that late events came to, which are few: whoever has looked at an ended period finds those
-- that changed since. An update that leaves late as it is does not touch the index.
CREATE INDEX usage_hourly_late ON meterhouse.usage_hourly (hour, tenant_id, metric) WHERE late > 0;
