-- Makes a call that must fail, and says how: SQLSTATE, message, detail and hint.
CREATE PROCEDURE refuse(call text) LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE 'SELECT count(*) FROM ' || call;
    RAISE NOTICE '%: no error', call;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE NOTICE E'% %', state, concat_ws(E'\n', message, '  detail: ' || nullif(detail, ''), '  hint: ' || nullif(hint, ''));
END $$;
