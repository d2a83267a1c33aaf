-- A partition halts when its log no longer holds what comes next. Letting it go on means accepting a
-- loss: who did that, why, and of which offsets, is kept for good. Rows are only added.
-- to_offset below from_offset: the topic was made anew, and is read from there.
CREATE TABLE meterhouse.partition_resumptions (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at            timestamptz NOT NULL DEFAULT now(),
  source        text NOT NULL,
  partition     integer NOT NULL,
  from_offset   bigint NOT NULL,
  to_offset     bigint NOT NULL CHECK (to_offset >= 0),
  halted_reason text NOT NULL,
  because       text NOT NULL,
  by            text NOT NULL
);

GRANT SELECT ON meterhouse.partition_resumptions
  TO meterhouse_aggregator, meterhouse_snapshot, meterhouse_operator, meterhouse_reader;
GRANT INSERT ON meterhouse.partition_resumptions TO meterhouse_operator;
