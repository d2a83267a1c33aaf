-- Whether a reservation is over is told by the time that capacity goes by: who reads reservations needs it.
SET LOCAL search_path = meterhouse;

GRANT EXECUTE ON FUNCTION capacity_now() TO meterhouse_api;
