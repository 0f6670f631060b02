/*
 * range.c
 *	  A parameter that is searched between two numbers.
 *
 * Integers are drawn evenly, numbers too, or their logarithms are.  A drawn number has six digits,
 * which is as many as anybody wants to read, and makes no difference to a training.
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "tune/search.h"

#define HINT "For example: {\"learning_rate\": {\"low\": 0.01, \"high\": 0.3, \"log\": true}}."

struct PfRange
{
	bool		integer;
	bool		log;
	double		low,
				high;
	double		step;			/* 0: any number between */
};

static void
refuse(const PfParam *param, const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid range of \"%s\"", param->name),
			 errdetail("%s", why),
			 errhint(HINT)));
}

static double
read_number(const PfParam *param, const char *key, const JsonbValue *value)
{
	double		number;

	if (value->type != jbvNumeric)
		refuse(param, psprintf("The value of \"%s\" is not a number.", key));
	/* what is too large for float8 would be an error of its own */
	number = strtod(DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))),
					NULL);
	if (!isfinite(number))
		refuse(param, psprintf("The value of \"%s\" is too large.", key));
	return number;
}

/* Is it written as an integer?  1 is a count where 1.0 is a share. */
static bool
is_whole(const JsonbValue *value)
{
	char	   *text;

	if (value->type != jbvNumeric)
		return false;
	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	return strspn(text, "-0123456789") == strlen(text);
}

PfRange *
pf_range_parse(const PfParam *param, JsonbValue *value)
{
	PfRange    *range;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	char	   *key = NULL;
	bool		whole = true;
	bool		has_low = false;
	bool		has_high = false;

	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data) ||
		param->type == PF_PARAM_CLASS_WEIGHT || param->type == PF_PARAM_SIGNS)
		return NULL;
	if (param->type != PF_PARAM_INT && param->type != PF_PARAM_REAL &&
		param->type != PF_PARAM_INT_OR_SHARE)
		refuse(param, "It is not a number.");
	range = palloc0(sizeof(PfRange));
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			key = pnstrdup(item.val.string.val, item.val.string.len);
		if (token != WJB_VALUE)
			continue;
		if (strcmp(key, "log") == 0)
		{
			if (item.type != jbvBool)
				refuse(param, "The value of \"log\" is neither true nor false.");
			range->log = item.val.boolean;
			continue;
		}
		if (strcmp(key, "low") == 0)
		{
			range->low = read_number(param, key, &item);
			has_low = true;
		}
		else if (strcmp(key, "high") == 0)
		{
			range->high = read_number(param, key, &item);
			has_high = true;
		}
		else if (strcmp(key, "step") == 0)
		{
			range->step = read_number(param, key, &item);
			if (!(range->step > 0))
				refuse(param, "The value of \"step\" is not above 0.");
		}
		else
			refuse(param, psprintf("Its keys are \"low\", \"high\", \"log\" and \"step\", not \"%s\".", key));
		whole = whole && is_whole(&item);
	}
	if (!has_low || !has_high)
		refuse(param, psprintf("It has no \"%s\".", has_low ? "high" : "low"));
	if (!(range->low < range->high))
		refuse(param, "The value of \"low\" is not below that of \"high\".");
	if (range->log && !(range->low > 0))
		refuse(param, "With \"log\", the value of \"low\" must be above 0.");
	if (range->log && range->step > 0)
		refuse(param, "It has both \"log\" and \"step\".");
	if (param->type == PF_PARAM_INT && !whole)
		refuse(param, "The parameter is an integer, and the range has other numbers.");
	range->integer = whole && param->type != PF_PARAM_REAL;
	if (range->integer && range->step == 0)
		range->step = 1;
	return range;
}

/* As JSON; a share has a point, or it would be a count. */
static char *
number_text(const PfRange *range, double value, int digits)
{
	char	   *text;

	if (range->integer)
		return psprintf("%.0f", value);
	text = psprintf("%.*g", digits, value);
	return strspn(text, "-0123456789") == strlen(text) ? psprintf("%s.0", text) : text;
}

char *
pf_range_end(const PfRange *range, bool high)
{
	return number_text(range, high ? range->high : range->low, 17);
}

char *
pf_range_draw(const PfRange *range, uint64 random)
{
	double		place = (double) (random >> 11) / 9007199254740992.0;	/* 2^53: below 1 */
	double		low = range->low;
	double		value;

	if (range->log)
	{
		/* each integer has what would be rounded to it */
		double		half = range->integer ? 0.5 : 0;

		value = exp(log(low - half) + place * (log(range->high + half) - log(low - half)));
		if (range->integer)
			value = rint(value);
	}
	else if (range->step > 0)
		value = low + range->step * floor(place * (floor((range->high - low) / range->step + 1e-9) + 1));
	else
		value = low + place * (range->high - low);
	if (!range->integer)
		value = strtod(psprintf("%.6g", value), NULL);
	value = Min(Max(value, low), range->high);
	return number_text(range, value, value == low || value == range->high ? 17 : 6);
}
