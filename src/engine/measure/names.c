/*
 * names.c
 *	  The metrics by name: which there are, and which way is better.
 */
#include <string.h>

#include "engine/measure/measure.h"

#define CLASS_NAMES "accuracy, balanced_accuracy, precision, recall, f1, mcc, " \
	"log_loss, brier, roc_auc, average_precision"
#define VALUE_NAMES "rmse, mae, r2, mape"

static const struct
{
	const char *name;
	int			direction;
}			directions[] =
{
	{"accuracy", 1},
	{"balanced_accuracy", 1},
	{"precision", 1},
	{"recall", 1},
	{"f1", 1},
	{"mcc", 1},
	{"log_loss", -1},
	{"brier", -1},
	{"roc_auc", 1},
	{"average_precision", 1},
	{"rmse", -1},
	{"mae", -1},
	{"r2", 1},
	{"mape", -1},
};

int
pf_metric_direction(const char *name)
{
	for (size_t i = 0; i < sizeof(directions) / sizeof(directions[0]); i++)
	{
		if (strcmp(name, directions[i].name) == 0)
			return directions[i].direction;
	}
	return 0;
}

const char *
pf_metric_names(PfTask task)
{
	switch (task)
	{
		case PF_CLASSIFICATION:
			return CLASS_NAMES;
		case PF_REGRESSION:
			return VALUE_NAMES;
		case PF_ANOMALY:
		case PF_TASK_AUTO:
			break;
	}
	return CLASS_NAMES ", " VALUE_NAMES;
}
