-- Where a flush was traced, its row says so, for what passes it on to link to:
-- {"traceparent": "00-…", "correlationId": "…" or null where the flush held more than one event}.
SET LOCAL search_path = meterhouse;

ALTER TABLE change_log ADD COLUMN trace jsonb CHECK (octet_length(trace::text) <= 512);
