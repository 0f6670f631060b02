-- 40-evaluate.sql: how good a version is.
--
-- PARALLEL UNSAFE: a source is any query, and ml_evaluate stores what it measured.

CREATE FUNCTION @extschema@.ml_evaluate(model text, source text DEFAULT NULL)
	RETURNS TABLE (metric text, class text, value float8, baseline float8)
	AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;
COMMENT ON FUNCTION @extschema@.ml_evaluate(text, text) IS
	'metrics of a version, with those of the best constant prediction: as stored at training, or measured on a source';

CREATE FUNCTION @extschema@.ml_confusion_matrix(model text, source text DEFAULT NULL)
	RETURNS TABLE (actual text, predicted text, count bigint)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.ml_confusion_matrix(text, text) IS
	'rows by actual and predicted class: as stored at training, or counted on a source';

CREATE FUNCTION @extschema@.ml_roc_curve(model text, source text DEFAULT NULL,
										 class text DEFAULT NULL)
	RETURNS TABLE (threshold float8, tpr float8, fpr float8, "precision" float8, recall float8)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 500;
COMMENT ON FUNCTION @extschema@.ml_roc_curve(text, text, text) IS
	'points of the ROC and precision-recall curves of a class (of two: the second): as stored at training, or measured on a source';

CREATE FUNCTION @extschema@.ml_calibration(model text, source text, bins integer DEFAULT 10,
										   class text DEFAULT NULL)
	RETURNS TABLE (bin integer, mean_score float8, rate float8, count bigint)
	AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.ml_calibration(text, text, integer, text) IS
	'how often a class is there, by the share that a version gives it: of two classes the second, of more the one that is predicted, or that named';
