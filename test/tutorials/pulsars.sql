-- What the tutorial must have left behind.
SELECT no_plan();
SELECT is(count(*), 6000::bigint, 'two batches') FROM raw_candidate;
SELECT finish();
