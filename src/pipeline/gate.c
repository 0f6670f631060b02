/*
 * gate.c
 *	  The conditions of a promotion that is to come.
 *
 * ml_promote checks its arguments itself; here it is done before the training, which
 * may take an hour and would be in vain.
 */
#include "postgres.h"

#include <math.h>

#include "pipeline/gate.h"
#include "pipeline/statement.h"
#include "promote/promote.h"

void
pf_gate_check(const PfGate *gate, PfTask task, bool held_out)
{
	if (strcmp(gate->promote, "if_better") != 0 && strcmp(gate->promote, "always") != 0 &&
		strcmp(gate->promote, "never") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized value for promote: \"%s\"", gate->promote),
				 errhint("Valid values are \"if_better\", \"always\" and \"never\".")));
	if (gate->alias != NULL)
		pf_check_alias_name(gate->alias);
	if (gate->metric != NULL && task != PF_ANOMALY)
		pf_promotion_check_metric(task, gate->metric);
	if (gate->max_regression < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_regression must not be negative"),
				 errhint("It is a share: 0.02 lets the metric become worse by 2 percent.")));
	if (gate->by != NIL && isnan(gate->max_regression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("by needs max_regression"),
				 errhint("Add a max_regression of 0.02, for example.")));
	if (gate->confidence <= 0 || gate->confidence >= 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("confidence must be between 0 and 1, not %g", gate->confidence),
				 errhint("0.95, for example.")));
	if (task == PF_ANOMALY && strcmp(gate->promote, "if_better") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a model for anomalies has no metric to be promoted by"),
				 errhint("Set promote to \"always\" or \"never\".")));
	if (!held_out && gate->source == NULL && strcmp(gate->promote, "if_better") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the training holds out no rows to compare on"),
				 errhint("Pass rows that no version has seen as source of the gate, or set promote to \"always\".")));
}

char *
pf_gate_statement(const PfGate *gate, const char *schema, const char *model, List *versions,
				  bool if_better)
{
	StringInfoData sql;

	pf_statement_begin(&sql, "SELECT * FROM", schema, "ml_promote");
	pf_statement_text(&sql, "model", model);
	if (!if_better)
		pf_statement_int(&sql, "version", linitial_int(versions));
	pf_statement_text(&sql, "alias", gate->alias);
	pf_statement_text(&sql, "metric", gate->metric);
	pf_statement_number(&sql, "threshold", gate->threshold);
	pf_statement_number(&sql, "max_regression", gate->max_regression);
	if (gate->min_rows >= 0)
		pf_statement_int(&sql, "min_rows", gate->min_rows);
	pf_statement_names(&sql, "by", gate->by);
	pf_statement_text(&sql, "source", gate->source);
	pf_statement_number(&sql, "confidence", gate->confidence);
	pf_statement_text(&sql, "note", gate->note);
	if (if_better)
		pf_statement_ints(&sql, "candidates", versions);
	return pf_statement_end(&sql);
}
