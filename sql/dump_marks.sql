-- What a dump must carry, and what a reader of the catalog is told.

-- Partitions come and go with the days.
DO $$
DECLARE
    partition regclass;
BEGIN
    FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'pgforest.prediction'::regclass LOOP
        EXECUTE 'DROP TABLE ' || partition;
    END LOOP;
END $$;

-- Every table and every sequence of the schema is marked for pg_dump, whole.
SELECT c.relkind, count(*) AS relations, count(*) FILTER (WHERE c.oid = ANY (e.extconfig)) AS marked,
       count(*) FILTER (WHERE e.extcondition[array_position(e.extconfig, c.oid)] <> '') AS with_a_condition
FROM pg_class c, pg_extension e
WHERE c.relnamespace = 'pgforest'::regnamespace AND c.relkind IN ('r', 'S', 'p') AND e.extname = 'pgforest'
GROUP BY 1 ORDER BY 1;
SELECT cardinality(extconfig) = (SELECT count(*) FROM pg_class WHERE relnamespace = 'pgforest'::regnamespace AND relkind IN ('r', 'S', 'p')) AS nothing_else
FROM pg_extension WHERE extname = 'pgforest';

-- The relations that there are.
SELECT relkind, relname, relrowsecurity FROM pg_class WHERE relnamespace = 'pgforest'::regnamespace AND relkind IN ('r', 'v', 'm', 'p') ORDER BY relname COLLATE "C";

-- No relation, column, function or type is without a comment.
SELECT c.relname AS without_comment FROM pg_class c
WHERE relnamespace = 'pgforest'::regnamespace AND relkind IN ('r', 'v', 'm', 'p') AND coalesce(obj_description(c.oid, 'pg_class'), '') = '' ORDER BY 1;
SELECT c.relname, a.attname AS without_comment FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE relnamespace = 'pgforest'::regnamespace AND relkind IN ('r', 'v', 'm', 'p') AND attnum > 0 AND NOT attisdropped
      AND coalesce(col_description(c.oid, attnum), '') = '' ORDER BY 1, 2;
CREATE VIEW members AS
SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid AND d.refclassid = 'pg_extension'::regclass WHERE e.extname = 'pgforest' AND d.deptype = 'e';
SELECT p.oid::regprocedure AS without_comment FROM members JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
WHERE coalesce(obj_description(p.oid, 'pg_proc'), '') = '' ORDER BY 1;
SELECT t.oid::regtype AS without_comment FROM members JOIN pg_type t ON classid = 'pg_type'::regclass AND objid = t.oid
WHERE typtype IN ('b', 'd', 'e', 'r') AND typcategory <> 'A' AND typrelid = 0 AND coalesce(obj_description(t.oid, 'pg_type'), '') = '' ORDER BY 1;
SELECT coalesce(obj_description(oid, 'pg_namespace'), '') <> '' AS schema_comment FROM pg_namespace WHERE nspname = 'pgforest';
SELECT comment <> '' AS extension_comment FROM pg_available_extensions WHERE name = 'pgforest';
-- A comment is one line.
SELECT description AS too_long FROM members m JOIN pg_description d ON d.classoid = m.classid AND d.objoid = m.objid
WHERE description ~ '[\n\r]' OR length(description) > 150 ORDER BY 1;

-- The functions, with how they may be used.
SELECT p.oid::regprocedure AS function, provolatile AS volatility, proparallel AS parallel, prosecdef AS definer, proisstrict AS strict
FROM members JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid ORDER BY p.oid::regprocedure::text COLLATE "C";
-- Everybody may look, nobody may write; row security stands between.
SELECT DISTINCT privilege_type FROM pg_class c, aclexplode(relacl) a WHERE relnamespace = 'pgforest'::regnamespace AND a.grantee = 0;
SELECT relname, polname, polcmd FROM pg_policy p JOIN pg_class c ON c.oid = polrelid WHERE relnamespace = 'pgforest'::regnamespace ORDER BY relname COLLATE "C";
SELECT c.relname AS reads_as_its_owner FROM pg_class c
WHERE relnamespace = 'pgforest'::regnamespace AND relkind = 'v' AND NOT coalesce(reloptions @> '{security_invoker=true}', false) ORDER BY 1;
DROP VIEW members;
