/**
 * Up to when a partition is complete, as SQL over a row of `progress`. Nobody has to move the watermark of
 * direct counting on: whoever reads knows it from the snapshot that it reads in. See migration 0013.
 */
export const PROCESSED_THROUGH = `CASE WHEN source = 'direct' THEN meterhouse.direct_complete_through() ELSE processed_through END`;
