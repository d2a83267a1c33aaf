-- The decision log keeps house for reservations too: it may settle what expired and forget what ended long
-- ago, by these two functions and nothing else. It still reads and writes none of their tables.
SET LOCAL search_path = meterhouse;

GRANT EXECUTE ON FUNCTION capacity_sweep(bigint), capacity_forget(bigint, bigint) TO meterhouse_decisions;
