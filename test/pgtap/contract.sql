-- What others build on: the names, arguments, defaults, results and kinds of our functions, and the
-- columns of our views.  A change here breaks somebody's queries.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.arguments(name text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT pg_get_function_arguments(p.oid) FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e'
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgforest') WHERE proname = name ORDER BY 1
$$;
CREATE FUNCTION pg_temp.results(name text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT DISTINCT pg_get_function_result(p.oid) FROM pg_proc AS p JOIN pg_depend AS d ON d.objid = p.oid AND d.deptype = 'e'
		AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pgforest') WHERE proname = name ORDER BY 1
$$;

-- ----- loading -----

SELECT is(pg_temp.arguments('ml_ingest'), 'IN target text, IN source text, IN batch_size integer DEFAULT 15000, '
	'IN max_batches integer DEFAULT NULL::integer, IN order_by text DEFAULT NULL::text, IN format jsonb DEFAULT ''{}''::jsonb, '
	'IN on_error text DEFAULT ''stop''::text, IN create_table boolean DEFAULT false, IN restart boolean DEFAULT false',
	'ml_ingest: arguments');
SELECT columns_are('pgforest', 'batch', '{id,stream,load,number,target,source,order_by,columns,rows,rejected,start_byte,end_byte,end_line,'
	'start_key,end_key,sha256,role,at}'::name[], 'batch: columns');
SELECT columns_are('pgforest', 'reject', '{id,batch_id,line,start_byte,bytes,text,sqlstate,reason,role}'::name[], 'reject: columns');

-- ----- training -----

SELECT is(pg_temp.arguments('ml_train'), 'model text, source text, target text DEFAULT NULL::text, '
	'algorithm text DEFAULT ''random_forest''::text, params jsonb DEFAULT ''{}''::jsonb, task text DEFAULT NULL::text, '
	'features text[] DEFAULT NULL::text[], exclude text[] DEFAULT NULL::text[], key text[] DEFAULT NULL::text[], '
	'weight text DEFAULT NULL::text, split text DEFAULT NULL::text, holdout double precision DEFAULT 0.2, '
	'seed bigint DEFAULT 0, note text DEFAULT NULL::text, recipe text DEFAULT NULL::text, '
	'OUT model text, OUT version integer, OUT task text, OUT algorithm text, OUT rows bigint, OUT features integer, OUT metric text, '
	'OUT score double precision, OUT seconds double precision, OUT bytes bigint', 'ml_train: arguments and result');

-- ----- recipes -----

SELECT is(pg_temp.arguments('ml_recipe'), 'name text, source text, steps jsonb, OUT recipe text, OUT version integer, OUT rows bigint, '
	'OUT columns integer, OUT clean_columns integer, OUT seconds double precision', 'ml_recipe: arguments and result');
SELECT is(pg_temp.arguments('ml_recipe_sql'), 'name text, prediction boolean DEFAULT false', 'ml_recipe_sql: arguments');
SELECT is(pg_temp.arguments('ml_clean'), 'recipe text, raw text, clean text, key text DEFAULT NULL::text, OUT recipe text, '
	'OUT version integer, OUT rows bigint, OUT created boolean, OUT seconds double precision', 'ml_clean: arguments and result');
SELECT is(pg_temp.arguments('ml_drop_recipe'), 'name text', 'ml_drop_recipe: arguments');

-- ----- prediction -----

SELECT results_eq($$ SELECT * FROM pg_temp.arguments('ml_predict') $$, ARRAY[
	'model text, features double precision[], result anyelement DEFAULT NULL::text',
	'model text, features jsonb, result anyelement DEFAULT NULL::text',
	'model text, features record, result anyelement DEFAULT NULL::text'], 'ml_predict: arguments');
SELECT is(pg_temp.results('ml_predict'), 'anyelement', 'ml_predict: result');
SELECT results_eq($$ SELECT * FROM pg_temp.arguments('ml_predict_proba') $$, ARRAY[
	'model text, features double precision[]', 'model text, features double precision[], class text',
	'model text, features jsonb', 'model text, features jsonb, class text',
	'model text, features record', 'model text, features record, class text'], 'ml_predict_proba: arguments');
SELECT results_eq($$ SELECT * FROM pg_temp.results('ml_predict_proba') $$,
	ARRAY['double precision', 'double precision[]'], 'ml_predict_proba: results');
SELECT is(pg_temp.arguments('ml_resolve'), 'model text, OUT model text, OUT version integer', 'ml_resolve: arguments');
SELECT is(pg_temp.arguments('ml_importance'), 'model text', 'ml_importance: arguments');
SELECT is(pg_temp.results('ml_importance'), 'TABLE(feature text, importance double precision)', 'ml_importance: result');

-- ----- drift -----

SELECT results_eq($$ SELECT * FROM pg_temp.arguments('ml_drift') $$, ARRAY[
	'model text, profile bytea, tests text DEFAULT ''auto''::text, threshold double precision DEFAULT NULL::double precision, '
	'correction text DEFAULT ''bonferroni''::text',
	'model text, source text, reference text DEFAULT NULL::text, tests text DEFAULT ''auto''::text, '
	'threshold double precision DEFAULT NULL::double precision, correction text DEFAULT ''bonferroni''::text, by text[] DEFAULT NULL::text[]'],
	'ml_drift: arguments');
SELECT is(pg_temp.results('ml_drift'), 'TABLE(feature text, test text, statistic double precision, p_value double precision, '
	'threshold double precision, drifted boolean, reference_rows bigint, current_rows bigint, effect double precision, slice text)',
	'ml_drift: result');
SELECT is(pg_temp.arguments('ml_check'), 'model text, source text, limits jsonb DEFAULT NULL::jsonb', 'ml_check: arguments');
SELECT is(pg_temp.results('ml_check'), 'TABLE(feature text, problem text, severity text, value double precision, '
	'threshold double precision, rows bigint, detail text)', 'ml_check: result');
SELECT is(pg_temp.arguments('ml_profile'), 'model text, profile bytea DEFAULT NULL::bytea', 'ml_profile: arguments');
SELECT is(pg_temp.results('ml_profile'), 'TABLE(feature text, kind text, rows bigint, missing bigint, unseen bigint, "distinct" bigint, '
	'mean double precision, sd double precision, min double precision, max double precision, quantiles double precision[], '
	'bounds double precision[], categories text[], counts bigint[])', 'ml_profile: result');
SELECT is(pg_temp.arguments('ml_profile_agg'), 'model text, features record', 'ml_profile_agg: arguments');
SELECT is(pg_temp.arguments('ml_profile_merge'), 'model text, profile bytea', 'ml_profile_merge: arguments');

-- ----- evaluation -----

SELECT is(pg_temp.arguments('ml_evaluate'), 'model text, source text DEFAULT NULL::text', 'ml_evaluate: arguments');
SELECT is(pg_temp.results('ml_evaluate'), 'TABLE(metric text, class text, value double precision, baseline double precision)',
	'ml_evaluate: result');
SELECT is(pg_temp.arguments('ml_confusion_matrix'), 'model text, source text DEFAULT NULL::text', 'ml_confusion_matrix: arguments');
SELECT is(pg_temp.results('ml_confusion_matrix'), 'TABLE(actual text, predicted text, count bigint)', 'ml_confusion_matrix: result');
SELECT is(pg_temp.arguments('ml_roc_curve'), 'model text, source text DEFAULT NULL::text, class text DEFAULT NULL::text',
	'ml_roc_curve: arguments');
SELECT is(pg_temp.results('ml_roc_curve'), 'TABLE(threshold double precision, tpr double precision, fpr double precision, '
	'"precision" double precision, recall double precision)', 'ml_roc_curve: result');

-- ----- promotion, end, rights -----

SELECT is(pg_temp.arguments('ml_promote'), 'model text, version integer DEFAULT NULL::integer, '
	'alias text DEFAULT ''production''::text, metric text DEFAULT NULL::text, threshold double precision DEFAULT NULL::double precision, '
	'max_regression double precision DEFAULT NULL::double precision, min_rows bigint DEFAULT NULL::bigint, '
	'by text[] DEFAULT NULL::text[], source text DEFAULT NULL::text, note text DEFAULT NULL::text, candidates integer[] DEFAULT NULL::integer[], '
	'confidence double precision DEFAULT NULL::double precision, '
	'OUT model text, OUT version integer, OUT previous integer, OUT promoted boolean, OUT reason text, '
	'OUT score double precision, OUT previous_score double precision, OUT rows bigint', 'ml_promote: arguments and result');
SELECT is(pg_temp.arguments('ml_rollback'), 'model text, alias text DEFAULT ''production''::text, '
	'OUT model text, OUT version integer, OUT previous integer, OUT promoted boolean, OUT reason text, '
	'OUT score double precision, OUT previous_score double precision, OUT rows bigint', 'ml_rollback: arguments and result');
SELECT is(pg_temp.arguments('ml_drop'), 'model text', 'ml_drop: arguments');
SELECT is(pg_temp.arguments('ml_grant'), 'model text, role regrole, privilege text', 'ml_grant: arguments');
SELECT is(pg_temp.arguments('ml_revoke'), 'model text, role regrole, privilege text', 'ml_revoke: arguments');

-- ----- alerts -----

SELECT is(pg_temp.arguments('ml_alert_to'), 'url text, events text[] DEFAULT NULL::text[], headers jsonb DEFAULT NULL::jsonb, '
	'secret text DEFAULT NULL::text, template text DEFAULT ''json''::text', 'ml_alert_to: arguments');
SELECT is(pg_temp.arguments('ml_alert_remove'), 'target bigint', 'ml_alert_remove: arguments');
SELECT is(pg_temp.arguments('ml_alert_raise'), 'key text, title text, severity text DEFAULT ''warning''::text, '
	'model text DEFAULT NULL::text, details jsonb DEFAULT NULL::jsonb', 'ml_alert_raise: arguments');
SELECT is(pg_temp.arguments('ml_alert_acknowledge'), 'alert bigint', 'ml_alert_acknowledge: arguments');
SELECT is(pg_temp.arguments('ml_alert_resolve'), 'alert bigint', 'ml_alert_resolve: arguments');
SELECT is(pg_temp.arguments('ml_deliver_alerts'), 'INOUT delivered bigint DEFAULT NULL::bigint, INOUT failed bigint DEFAULT NULL::bigint',
	'ml_deliver_alerts: arguments');
-- ----- pipelines -----

SELECT is(pg_temp.arguments('ml_retrain'), 'model text, promote text DEFAULT ''if_better''::text, source text DEFAULT NULL::text, '
	'alias text DEFAULT ''production''::text, metric text DEFAULT NULL::text, threshold double precision DEFAULT NULL::double precision, '
	'max_regression double precision DEFAULT NULL::double precision, min_rows bigint DEFAULT NULL::bigint, '
	'by text[] DEFAULT NULL::text[], gate_source text DEFAULT NULL::text, confidence double precision DEFAULT NULL::double precision, '
	'note text DEFAULT NULL::text, OUT model text, OUT version integer, OUT previous integer, OUT promoted boolean, OUT reason text, '
	'OUT score double precision, OUT previous_score double precision, OUT rows bigint, OUT seconds double precision', 'ml_retrain: arguments and result');
SELECT is(pg_temp.arguments('ml_pipeline'), 'name text, spec jsonb, OUT step integer, OUT kind text, OUT statement text', 'ml_pipeline: arguments and result');
SELECT is(pg_temp.arguments('ml_run'), 'IN pipeline text', 'ml_run: arguments');
SELECT is(pg_temp.arguments('ml_cancel'), 'run bigint', 'ml_cancel: arguments');
SELECT is(pg_temp.arguments('ml_schedule'), 'pipeline text, cron text', 'ml_schedule: arguments');
SELECT is(pg_temp.arguments('ml_unschedule'), 'pipeline text', 'ml_unschedule: arguments');
SELECT is(pg_temp.arguments('ml_drop_pipeline'), 'name text', 'ml_drop_pipeline: arguments');
-- ----- before training, JSON, comparison, moving -----

SELECT results_eq($$ SELECT * FROM pg_temp.arguments('ml_split') $$, ARRAY(
	SELECT 'key ' || type || ', train double precision DEFAULT 0.7, validation double precision DEFAULT 0.15, salt text DEFAULT ''''::text'
	FROM unnest('{bigint,date,text,timestamp with time zone,timestamp without time zone,uuid}'::text[]) AS type), 'ml_split: arguments');
SELECT is(pg_temp.results('ml_split'), 'text', 'ml_split: result');
SELECT is(pg_temp.arguments('ml_describe'), 'source text', 'ml_describe: arguments');
SELECT is(pg_temp.results('ml_describe'), 'TABLE(column_name text, type text, rows bigint, missing bigint, distinct_values bigint, min text, max text, '
	'mean double precision, sd double precision, quantiles text[], frequent text[], frequent_rows bigint[], histogram text)', 'ml_describe: result');
SELECT is(pg_temp.arguments('ml_predict_json'), 'model text, request jsonb', 'ml_predict_json: arguments');
SELECT is(pg_temp.results('ml_predict_json'), 'jsonb', 'ml_predict_json: result');
SELECT is(pg_temp.arguments('ml_compare'), 'model text, v1 integer, v2 integer, source text DEFAULT NULL::text, '
	'confidence double precision DEFAULT 0.95, resamples integer DEFAULT 1000', 'ml_compare: arguments');
SELECT is(pg_temp.results('ml_compare'), 'TABLE(kind text, name text, first text, second text, difference double precision, '
	'low double precision, high double precision, better integer)', 'ml_compare: result');
SELECT is(pg_temp.arguments('ml_export'), 'model text', 'ml_export: arguments');
SELECT is(pg_temp.results('ml_export'), 'bytea', 'ml_export: result');
SELECT is(pg_temp.arguments('ml_import'), 'data bytea, name text DEFAULT NULL::text, note text DEFAULT NULL::text, '
	'OUT model text, OUT version integer, OUT task text, OUT algorithm text, OUT features integer, OUT bytes bigint, OUT sha256 text',
	'ml_import: arguments and result');

-- ----- serving and watching -----

SELECT is(pg_temp.arguments('ml_infer'), 'model text, features jsonb, request_id text DEFAULT NULL::text, '
	'OUT prediction text, OUT probabilities double precision[], OUT model text, OUT version integer', 'ml_infer: arguments and result');
SELECT is(pg_temp.arguments('ml_score'), 'IN model text, IN source text, IN target text, IN key text[], '
	'IN on_drift text DEFAULT ''warn''::text, INOUT version integer DEFAULT NULL::integer, INOUT rows bigint DEFAULT NULL::bigint, '
	'INOUT drifted boolean DEFAULT NULL::boolean', 'ml_score: arguments and result');
SELECT is(pg_temp.arguments('ml_monitor'), 'name text, model text, source text, truth text DEFAULT NULL::text, '
	'time_column text DEFAULT NULL::text, period interval DEFAULT ''1 day''::interval, delay interval DEFAULT ''00:00:00''::interval, '
	'metric text DEFAULT NULL::text, threshold double precision DEFAULT NULL::double precision, '
	'max_regression double precision DEFAULT NULL::double precision, learn integer DEFAULT NULL::integer, min_rows bigint DEFAULT 1, '
	'drift boolean DEFAULT true, since timestamp with time zone DEFAULT NULL::timestamp with time zone, quality boolean DEFAULT true, '
	'limits jsonb DEFAULT NULL::jsonb', 'ml_monitor: arguments');
SELECT is(pg_temp.arguments('ml_watch'), 'INOUT monitors integer DEFAULT NULL::integer, INOUT windows integer DEFAULT NULL::integer, '
	'INOUT alerts integer DEFAULT NULL::integer, INOUT failed integer DEFAULT NULL::integer', 'ml_watch: result');
SELECT columns_are('pgforest', 'metric_history', '{at,model,version,monitor,set,class,metric,value,baseline,rows,from_at,until_at,measured_at}'::name[],
	'metric_history: columns');
SELECT columns_are('pgforest', 'drift_history', '{at,model,version,monitor,feature,test,statistic,p_value,threshold,drifted,reference_rows,current_rows,effect,from_at,until_at,measured_at}'::name[],
	'drift_history: columns');
SELECT columns_are('pgforest', 'prediction_history', '{at,model,version,id,request_id,prediction,probability,probabilities,features,sample_rate,role}'::name[],
	'prediction_history: columns');
SELECT columns_are('pgforest', 'stat_models', '{model,version,calls,rows,errors,mean_time,p99_time,max_time,since,last_at}'::name[], 'stat_models: columns');

-- ----- what kind of functions they are -----

CREATE TEMP VIEW ours AS
	SELECT p.* FROM pg_proc AS p JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'pgforest';

SELECT is_empty($$ SELECT oid::regprocedure FROM ours WHERE provolatile <> 's'
	AND proname IN ('ml_predict', 'ml_predict_proba', 'ml_predict_json', 'ml_resolve', 'ml_importance') $$, 'what predicts is STABLE');
SELECT is_empty($$ SELECT oid::regprocedure FROM ours WHERE proparallel <> 's'
	AND proname IN ('ml_predict', 'ml_predict_proba', 'ml_predict_json', 'ml_resolve', 'ml_importance') $$, '... and PARALLEL SAFE');
SELECT is_empty($$ SELECT oid::regprocedure FROM ours WHERE (provolatile, proparallel) <> ('v', 'u')
	AND proname IN ('ml_train', 'ml_evaluate', 'ml_promote', 'ml_rollback', 'ml_drop', 'ml_grant', 'ml_revoke', 'ml_import') $$,
	'what writes is VOLATILE and not parallel');
SELECT is_empty($$ SELECT oid::regprocedure FROM ours WHERE prosecdef $$, 'nothing is SECURITY DEFINER');
SELECT is_empty($$ SELECT oid::regprocedure FROM ours WHERE proname NOT LIKE 'ml\_%' AND pronamespace <> 'pgforest'::regnamespace $$,
	'what stands in the user''s schema begins with ml_');
SELECT is_empty($$ SELECT oid::regprocedure FROM ours WHERE obj_description(oid, 'pg_proc') IS NULL $$, 'each function has a comment');

-- ----- the catalog -----

SELECT has_table('pgforest', name, 'table ' || name)
	FROM unnest('{model,version,version_data,alias,alias_history,metric,run,alert,alert_target,outbox,delivery,pipeline,run_step,batch,reject,recipe,baseline,drift,monitor,prediction,trial}'::text[]) AS name;
SELECT has_view('pgforest', name, 'view ' || name) FROM unnest('{models,versions,metrics,leaderboard,runs,settings,alerts,alert_targets,deliveries,pipelines,'
	'run_steps,schedules,trials,recipes}'::text[]) AS name;
SELECT columns_are('pgforest', 'models', '{name,task,target,owner,versions,production}'::name[], 'models: columns');
SELECT is(array(SELECT unnest('{model,version,task,algorithm,rows,features,classes,params,seed,metric,score,sha256,data_fingerprint,bytes,'
		'trained_by,trained_at,seconds,stage_seconds,aliases}'::text[])
		EXCEPT SELECT attname FROM pg_attribute WHERE attrelid = 'pgforest.versions'::regclass), '{}', 'versions: columns');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class AS c WHERE relnamespace = 'pgforest'::regnamespace AND relkind = 'r' AND NOT relrowsecurity $$,
	'each table has row security');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class AS c, aclexplode(relacl) AS a WHERE relnamespace = 'pgforest'::regnamespace
	AND a.grantee <> relowner AND privilege_type <> 'SELECT' $$, 'nobody else may write them');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class AS c WHERE relnamespace = 'pgforest'::regnamespace AND relkind IN ('r', 'S')
	AND c.oid <> ALL ((SELECT extconfig FROM pg_extension WHERE extname = 'pgforest')::oid[]) $$, 'tables and sequences are all dumped');

SELECT * FROM finish();
ROLLBACK;
