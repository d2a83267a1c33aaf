-- How many of a bucket's events reached the broker more than five minutes after their hour was over.
-- Null: some of its events were counted before this was written down, so nobody knows.
-- NOT VALID spares the table a reading under lock; what is written from now on is checked.
ALTER TABLE meterhouse.usage_hourly ADD COLUMN late bigint,
  ADD CONSTRAINT usage_hourly_late CHECK (late BETWEEN 0 AND count) NOT VALID;
