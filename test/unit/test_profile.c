/*
 * test_profile.c
 *	  Profiles of columns: what is counted, parts that merge into the whole, bytes and damaged
 *	  bytes.
 */
#include <math.h>
#include <string.h>

#include "engine/bins/cuts.h"
#include "engine/measure/profile_bytes.h"
#include "unit.h"

#define ROWS	3000

static void
release_frame(PfFrame *frame)
{
	pf_release(unit_env(), frame->places);
	pf_release(unit_env(), frame->listed);
	pf_release(unit_env(), frame->cell);
	if (frame->own_cuts)
		pf_release(unit_env(), frame->bins.cuts);
}

static void
release_tally(PfTally *tally)
{
	pf_release(unit_env(), tally->cells);
	pf_release(unit_env(), tally->strangers);
}

/* Far from zero, so that sums of squares would lose what matters; some are missing. */
static double *
make_values(void)
{
	double	   *values = pf_alloc(unit_env(), ROWS * sizeof(double));
	uint64_t	random = 5;

	for (uint32_t i = 0; i < ROWS; i++)
	{
		double		u = unit_uniform(&random);

		values[i] = i % 10 == 3 ? NAN : 1e6 + u * u;
	}
	return values;
}

/*
 * The frame of values that are there.  What was counted when it was made is what
 * a tally counts of the same values, in their order or not.
 */
static PfFrame
frame_of(const double *values, size_t n, uint32_t max_cells)
{
	const PfEnv *env = unit_env();
	double	   *copy = pf_alloc(env, (n + 1) * sizeof(double));
	double	   *count = pf_alloc(env, (n + 1) * sizeof(double));
	double		mean,
				sd,
				mean_again,
				sd_again;
	PfFrame		frame;
	PfTally		made,
				again;

	memcpy(copy, values, n * sizeof(double));
	pf_profile_values(env, copy, n, max_cells, &frame, &made);
	pf_tally_init(env, &frame, &again);
	pf_tally_numbers(&frame, &again, values, n, NULL, 0);
	CHECK_INT(made.rows, n);
	CHECK_INT(made.rows, again.rows);
	CHECK_INT(made.missing, again.missing);
	CHECK_INT(made.unseen, again.unseen);
	CHECK_INT(made.below, again.below);
	CHECK_INT(made.above, again.above);
	CHECK_INT(made.far, again.far);
	CHECK_DOUBLE(made.min, again.min);
	CHECK_DOUBLE(made.max, again.max);
	CHECK(memcmp(made.cells, again.cells, frame.ncells * sizeof(uint64_t)) == 0);
	memcpy(copy, values, n * sizeof(double));
	CHECK_DOUBLE(pf_tally_distinct(&made), pf_count_values(env, copy, n, count));
	pf_tally_moments(&frame, &made, &mean, &sd);
	pf_tally_moments(&frame, &again, &mean_again, &sd_again);
	CHECK(isnan(mean) == isnan(mean_again) && !(fabs(mean - mean_again) > 1e-15 * fabs(mean)));
	CHECK(isnan(sd) == isnan(sd_again) && !(fabs(sd - sd_again) > 1e-14 * sd));
	release_tally(&made);
	release_tally(&again);
	pf_release(env, copy);
	pf_release(env, count);
	return frame;
}

/* Of values some of which are missing. */
static PfFrame
make_frame(const double *values, uint32_t max_cells)
{
	double	   *there = pf_alloc(unit_env(), ROWS * sizeof(double));
	size_t		n = 0;
	PfFrame		frame;

	for (uint32_t i = 0; i < ROWS; i++)
	{
		if (values[i] == values[i])
			there[n++] = values[i];
	}
	frame = frame_of(there, n, max_cells);
	pf_release(unit_env(), there);
	return frame;
}

/* Frames of values that are often the same, or odd. */
static void
check_frames(void)
{
	const double odd[] = {3, 1e200, -0.0, INFINITY, 3, 0, -INFINITY, 1e200, 7};
	double		values[ROWS];
	uint64_t	random = 6;
	PfFrame		frame;

	for (uint32_t max_cells = 2; max_cells <= 64; max_cells *= 2)
	{
		for (uint32_t i = 0; i < ROWS; i++)
			values[i] = floor(pow(unit_uniform(&random), 3) * 200) / 10;
		frame = frame_of(values, ROWS, max_cells);
		CHECK(!frame.exact && frame.ncells >= 2);
		CHECK_DOUBLE(frame.lowest, 0);
		release_frame(&frame);
		frame = frame_of(odd, 9, max_cells);
		release_frame(&frame);
	}
	for (uint32_t i = 0; i < ROWS; i++)
		values[i] = 0.1 * (i % 7);
	frame = frame_of(values, ROWS, 64);
	CHECK(pf_frame_is_few(&frame));
	CHECK_INT(frame.ncells, 7);
	CHECK_DOUBLE(frame.places[3], 0.1 * 3);
	release_frame(&frame);
	/* the mean of a cell, each of its values as often as it is there */
	frame = frame_of((double[]) {1, 2, 2, 2, 10, 11}, 6, 2);
	CHECK_INT(frame.ncells, 2);
	CHECK(!frame.exact);
	CHECK_DOUBLE(frame.places[0], frame.bins.cuts[0] < 2 ? 1 : 1.75);
	release_frame(&frame);
}

static void
check_numbers(void)
{
	double	   *values = make_values();
	PfFrame		frame = make_frame(values, 100);
	PfTally		whole,
				merged;
	double		mean = 0,
				squares = 0,
				is,
				sd;
	const double odd[] = {INFINITY, -INFINITY, 1e200, NAN, 3, 3};

	pf_tally_init(unit_env(), &frame, &whole);
	pf_tally_numbers(&frame, &whole, values, ROWS, NULL, 0);
	CHECK_INT(whole.rows, ROWS);
	CHECK_INT(whole.missing, ROWS / 10);
	CHECK_INT(frame.ncells, 100);
	for (uint32_t i = 0; i < ROWS; i++)
		mean += values[i] == values[i] ? (values[i] - 1e6) / (ROWS - whole.missing) : 0;
	for (uint32_t i = 0; i < ROWS; i++)
		squares += values[i] == values[i] ? pow(values[i] - 1e6 - mean, 2) : 0;
	pf_tally_moments(&frame, &whole, &is, &sd);
	CHECK_NEAR(is, 1e6 + mean, 1e-9);
	CHECK_NEAR(sd, sqrt(squares / (ROWS - whole.missing - 1)), 1e-9);
	CHECK(fabs(pf_tally_distinct(&whole) / (ROWS - whole.missing) - 1) < 0.2);
	CHECK_NEAR(pf_tally_quantile(&frame, &whole, 0.5), 1e6 + 0.25, 0.03);
	CHECK_DOUBLE(pf_tally_quantile(&frame, &whole, 0), whole.min);
	CHECK_DOUBLE(pf_tally_quantile(&frame, &whole, 1), whole.max);

	/* whatever the parts and their order */
	pf_tally_init(unit_env(), &frame, &merged);
	for (int part = 6; part >= 0; part--)
	{
		PfTally		some;
		uint32_t	first = ROWS * part / 7,
					end = ROWS * (part + 1) / 7;

		pf_tally_init(unit_env(), &frame, &some);
		for (uint32_t i = end; i-- > first;)
			pf_tally_numbers(&frame, &some, &values[i], 1, NULL, 0);
		pf_tally_merge(unit_env(), frame.ncells, &merged, &some);
		release_tally(&some);
	}
	pf_tally_moments(&frame, &merged, &mean, &squares);
	CHECK_DOUBLE(mean, is);
	CHECK_DOUBLE(squares, sd);
	CHECK_INT(memcmp(merged.cells, whole.cells, frame.ncells * sizeof(uint64_t)), 0);
	CHECK_INT(memcmp(merged.registers, whole.registers, PF_REGISTERS), 0);
	CHECK_DOUBLE(merged.min, whole.min);
	CHECK_DOUBLE(merged.max, whole.max);
	CHECK_INT(merged.missing, whole.missing);
	release_tally(&merged);

	/* values that moments cannot take */
	pf_tally_init(unit_env(), &frame, &merged);
	pf_tally_numbers(&frame, &merged, odd, 6, NULL, 0);
	CHECK_INT(merged.far, 3);
	CHECK_INT(merged.missing, 1);
	CHECK_DOUBLE(merged.max, INFINITY);
	pf_tally_moments(&frame, &merged, &mean, &sd);
	CHECK_DOUBLE(mean, 3);
	CHECK_DOUBLE(sd, 0);
	release_tally(&merged);
	release_tally(&whole);
	release_frame(&frame);

	/* a few values are like categories */
	frame = frame_of((double[]) {1, 2, 2, 7}, 4, 100);
	CHECK(pf_frame_is_few(&frame));
	pf_tally_init(unit_env(), &frame, &whole);
	pf_tally_numbers(&frame, &whole, (double[]) {1, 2, 1.5, 7, 8, 0, 2.5}, 7, NULL, 0);
	CHECK_INT(whole.cells[0], 2);
	CHECK_INT(whole.cells[1], 1);
	CHECK_INT(whole.cells[2], 2);
	CHECK_INT(whole.unseen, 2);
	CHECK_INT(whole.below, 1);
	CHECK_INT(whole.above, 1);
	release_tally(&whole);
	release_frame(&frame);

	/* a column that had no value when the frame was made */
	frame = frame_of(values, 0, 100);
	pf_tally_init(unit_env(), &frame, &whole);
	pf_tally_numbers(&frame, &whole, odd, 6, NULL, 0);
	CHECK_INT(frame.ncells, 0);
	CHECK_INT(whole.unseen, 5);
	CHECK_DOUBLE(pf_tally_quantile(&frame, &whole, 0.5), NAN);
	release_tally(&whole);
	release_frame(&frame);
	pf_release(unit_env(), values);
}

static void
check_categories(void)
{
	uint64_t	count[100];
	PfFrame		frame;
	PfTally		a,
				b;
	char		text[16];

	for (uint32_t i = 0; i < 100; i++)
		count[i] = i < 10 ? 1 : i;
	pf_frame_categories(unit_env(), count, 100, &frame);
	CHECK_INT(frame.ncells, PF_LISTED_CATEGORIES + 1);
	CHECK_INT(frame.listed[0], 99);
	CHECK_INT(frame.cell[99], 0);
	CHECK_INT(frame.cell[5], PF_LISTED_CATEGORIES);
	CHECK_INT(frame.singles, 10);

	pf_tally_init(unit_env(), &frame, &a);
	pf_tally_init(unit_env(), &frame, &b);
	pf_tally_category(&frame, &a, 98, 1);
	pf_tally_category(&frame, &a, 0, 4);
	CHECK_INT(a.cells[1], 1);
	CHECK_INT(a.cells[PF_LISTED_CATEGORIES], 4);
	CHECK_NEAR(pf_tally_distinct(&a), 2, 0);

	/* the strangers with the smallest hashes, each with all its rows */
	for (uint32_t i = 0; i < 600; i++)
	{
		snprintf(text, sizeof(text), "new %u", i % 200);
		pf_tally_stranger(unit_env(), i % 3 ? &a : &b, text, strlen(text));
	}
	pf_tally_merge(unit_env(), frame.ncells, &a, &b);
	CHECK_INT(a.unseen, 600);
	CHECK_INT(a.nstrangers, PF_STRANGERS);
	for (uint32_t i = 0; i < a.nstrangers; i++)
	{
		CHECK_INT(a.strangers[i].count, 3);
		CHECK(i == 0 || a.strangers[i - 1].hash < a.strangers[i].hash);
	}
	release_tally(&a);
	release_tally(&b);
	release_frame(&frame);
}

/* ----- bytes ----- */

typedef struct Case
{
	PfModel		model;
	PfBins		bins[2];
	PfFrame		frames[4];
	PfTally		tallies[4];
	PfProfile	profile;
	uint32_t	offsets[4];
	uint8_t    *baseline,
			   *bytes;
	size_t		nbaseline,
				nbytes;
} Case;

/* A number, a category, no prediction, a target. */
static void
make_case(Case *made)
{
	double	   *values = make_values();
	const uint64_t count[] = {5, 1, 7};
	PfFrame		numbers = make_frame(values, 20);

	memset(made, 0, sizeof(*made));
	made->model.nfeatures = 2;
	made->model.nclasses = 3;
	made->model.bins = made->bins;
	made->bins[0] = numbers.bins;
	made->bins[1].kind = PF_CATEGORY;
	made->bins[1].ncategories = 3;
	made->bins[1].offsets = made->offsets;
	numbers.own_cuts = false;
	made->frames[0] = numbers;
	pf_frame_categories(unit_env(), count, 3, &made->frames[1]);
	pf_frame_categories(unit_env(), count, 3, &made->frames[3]);
	for (int i = 0; i < 4; i++)
	{
		if (made->frames[i].present)
			pf_tally_init(unit_env(), &made->frames[i], &made->tallies[i]);
	}
	pf_tally_numbers(&made->frames[0], &made->tallies[0], values, ROWS, NULL, 0);
	pf_tally_category(&made->frames[1], &made->tallies[1], 2, 1000);
	pf_tally_stranger(unit_env(), &made->tallies[1], "who", 3);
	pf_tally_missing(&made->tallies[3], 4);
	made->profile.ncolumns = 4;
	made->profile.tallies = made->tallies;
	made->baseline = pf_baseline_encode(unit_env(), made->frames, &made->profile, &made->nbaseline);
	made->bytes = pf_profile_encode(unit_env(), made->frames, &made->profile, &made->nbytes);
	pf_release(unit_env(), values);
}

/* Lets go of it, and of whatever a decoding that failed left behind. */
static bool
decode(const Case *made, const uint8_t *bytes, size_t size, const char **reason)
{
	PfFrame    *frames;
	PfProfile	profile;

	return pf_baseline_decode(unit_env(), &made->model, bytes, size, &frames, &profile, reason);
}

static void
check_bytes(void)
{
	Case		made;
	PfFrame    *frames;
	PfProfile	baseline,
				profile;
	const char *reason;
	uint64_t	random = 3;
	uint8_t    *damaged;
	double		mean,
				sd,
				mean_is,
				sd_is;

	make_case(&made);
	CHECK(pf_baseline_decode(unit_env(), &made.model, made.baseline, made.nbaseline, &frames,
							 &baseline, &reason));
	CHECK_INT(baseline.frame, made.profile.frame);
	CHECK_INT(frames[2].present, 0);
	CHECK_INT(frames[1].cell[2], 0);
	CHECK_INT(frames[1].singles, 1);
	for (uint32_t c = 0; c < frames[0].ncells; c++)
	{
		double		width = c == 0 || c + 1 == frames[0].ncells ? 0 : frames[0].bins.cuts[c] - frames[0].bins.cuts[c - 1];

		CHECK_NEAR(frames[0].places[c], made.frames[0].places[c], width / 500);
	}
	CHECK_DOUBLE(pf_tally_distinct(&baseline.tallies[0]), pf_tally_distinct(&made.tallies[0]));
	pf_tally_moments(&frames[0], &baseline.tallies[0], &mean_is, &sd_is);
	pf_tally_moments(&made.frames[0], &made.tallies[0], &mean, &sd);
	CHECK_DOUBLE(mean_is, mean);
	CHECK_DOUBLE(sd_is, sd);

	CHECK(pf_profile_decode(unit_env(), frames, 4, baseline.frame, made.bytes, made.nbytes, &profile, &reason));
	CHECK_INT(profile.tallies[1].cells[0], 1000);
	CHECK_INT(profile.tallies[1].strangers[0].count, 1);
	CHECK_TEXT(profile.tallies[1].strangers[0].text, "who");
	CHECK_INT(profile.tallies[3].missing, 4);
	CHECK(!pf_profile_decode(unit_env(), frames, 4, baseline.frame + 1, made.bytes, made.nbytes, &profile, &reason));
	CHECK_TEXT(reason, "it was made with another version");
	CHECK(!pf_profile_decode(unit_env(), frames, 4, baseline.frame, made.baseline, made.nbaseline, &profile, &reason));
	CHECK_TEXT(reason, "it does not begin as one");
	CHECK(!decode(&made, made.bytes, made.nbytes, &reason));

	/* cut short anywhere, and with bytes changed at random: an answer, whatever it is */
	for (size_t size = 0; size < made.nbaseline; size++)
		CHECK(!decode(&made, made.baseline, size, &reason));
	for (size_t size = 0; size < made.nbytes; size++)
		CHECK(!pf_profile_decode(unit_env(), frames, 4, baseline.frame, made.bytes, size, &profile, &reason));
	damaged = pf_alloc(unit_env(), made.nbaseline + made.nbytes);
	for (int i = 0; i < 20000; i++)
	{
		bool		first = unit_random(&random) % 2 == 0;
		size_t		size = first ? made.nbaseline : made.nbytes;

		memcpy(damaged, first ? made.baseline : made.bytes, size);
		for (uint64_t n = unit_random(&random) % 4 + 1; n > 0; n--)
			damaged[4 + unit_random(&random) % (size - 4)] = (uint8_t) unit_random(&random);
		if (first)
			decode(&made, damaged, size, &reason);
		else
			pf_profile_decode(unit_env(), frames, 4, baseline.frame, damaged, size, &profile, &reason);
	}
	unit_release_all();
}

void
test_profile(void)
{
	check_numbers();
	check_frames();
	check_categories();
	check_bytes();
}
