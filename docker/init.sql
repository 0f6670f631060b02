-- Run once, when the database is made.
CREATE EXTENSION pg_cron;
CREATE EXTENSION pgforest;
