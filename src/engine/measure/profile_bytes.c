/*
 * profile_bytes.c
 *	  Profiles into bytes and back.
 *
 *		baseline	"PFB", version, ncolumns, length of the frames, frames, tallies
 *		profile		"PFP", version, identity of the frames (8 bytes), ncolumns, tallies
 *
 * Counts are written in groups of seven bits, the lowest first, reals as 8 bytes, little-endian.
 * Nothing is believed on the way back: who can write a bytea can write anything.
 */
#include <math.h>

#include "engine/bins/hash.h"
#include "engine/measure/profile_bytes.h"

#define FORMAT		1
#define FEW			64			/* cells of which each place is written as it is */
#define STEPS		254			/* of a place within its cell; the middle is one of them */
#define MOST		(UINT64_C(1) << 48)	/* of a count; sums of them cannot overflow */

/* What a frame is. */
enum
{
	ABSENT,
	NUMBER,						/* the model has the cuts */
	NUMBER_AND_CUTS,
	CATEGORY
};

/* ----- writing ----- */

typedef struct Writer
{
	const PfEnv *env;
	uint8_t    *bytes;
	size_t		size,
				room;
} Writer;

static void
put_bytes(Writer *writer, const void *bytes, size_t size)
{
	if (writer->size + size > writer->room)
	{
		writer->room = (writer->size + size) * 2;
		writer->bytes = pf_resize(writer->env, writer->bytes, writer->room);
	}
	memcpy(writer->bytes + writer->size, bytes, size);
	writer->size += size;
}

static void
put_byte(Writer *writer, uint8_t byte)
{
	put_bytes(writer, &byte, 1);
}

static void
put_count(Writer *writer, uint64_t count)
{
	for (; count >= 128; count >>= 7)
		put_byte(writer, (uint8_t) (count | 128));
	put_byte(writer, (uint8_t) count);
}

static void
put_word(Writer *writer, uint64_t word)
{
	uint8_t		bytes[8];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t) (word >> (8 * i));
	put_bytes(writer, bytes, sizeof(bytes));
}

static void
put_real(Writer *writer, double value)
{
	uint64_t	word;

	memcpy(&word, &value, sizeof(word));
	put_word(writer, word);
}

static void
start(Writer *writer, const PfEnv *env, const char *magic)
{
	writer->env = env;
	writer->room = 1024;
	writer->size = 0;
	writer->bytes = pf_alloc(env, writer->room);
	put_bytes(writer, magic, 3);
	put_byte(writer, FORMAT);
}

static inline bool
in_full(const PfFrame *frame)
{
	return frame->exact && frame->ncells <= FEW;
}

/*
 * The outer places as they are, since their cells have no end; the others to a step of a cell,
 * unless they are few and each is a value.
 */
static void
put_places(Writer *writer, const PfFrame *frame)
{
	const double *cuts = frame->bins.cuts;
	uint32_t	last = frame->ncells - 1;

	put_real(writer, frame->places[0]);
	for (uint32_t c = 1; c < last; c++)
	{
		double		within;

		if (in_full(frame))
		{
			put_real(writer, frame->places[c]);
			continue;
		}
		within = (frame->places[c] / 2 - cuts[c - 1] / 2) /
			(cuts[c] / 2 - cuts[c - 1] / 2);

		put_byte(writer, within > 0 ? within < 1 ? (uint8_t) (within * STEPS + 0.5) : STEPS : 0);
	}
	if (last > 0)
		put_real(writer, frame->places[last]);
}

static void
put_frame(Writer *writer, const PfFrame *frame)
{
	if (!frame->present)
	{
		put_byte(writer, ABSENT);
		return;
	}
	if (frame->kind == PF_NUMBER)
	{
		put_byte(writer, frame->own_cuts ? NUMBER_AND_CUTS : NUMBER);
		put_count(writer, frame->ncells);
		if (frame->ncells == 0)
			return;
		for (uint32_t c = 0; frame->own_cuts && c + 1 < frame->ncells; c++)
			put_real(writer, frame->bins.cuts[c]);
		put_byte(writer, frame->exact);
		put_real(writer, frame->shift);
		put_real(writer, frame->lowest);
		put_real(writer, frame->highest);
		put_places(writer, frame);
		return;
	}
	put_byte(writer, CATEGORY);
	put_count(writer, frame->nlisted);
	for (uint32_t c = 0; c < frame->nlisted; c++)
		put_count(writer, frame->listed[c]);
	put_count(writer, frame->singles);
}

static void
put_tally(Writer *writer, const PfFrame *frame, const PfTally *tally, bool registers)
{
	put_count(writer, tally->rows);
	put_count(writer, tally->missing);
	put_count(writer, tally->unseen);
	for (uint32_t c = 0; c < frame->ncells; c++)
		put_count(writer, tally->cells[c]);
	if (registers)
		put_bytes(writer, tally->registers, PF_REGISTERS);
	else
		put_real(writer, pf_tally_distinct(tally));
	if (frame->kind == PF_NUMBER)
	{
		put_count(writer, tally->below);
		put_count(writer, tally->above);
		put_count(writer, tally->far);
		put_real(writer, tally->min);
		put_real(writer, tally->max);
		put_real(writer, tally->sum.sum);
		put_real(writer, tally->sum.error);
		put_real(writer, tally->squares.sum);
		put_real(writer, tally->squares.error);
		return;
	}
	put_count(writer, tally->nstrangers);
	for (uint32_t i = 0; i < tally->nstrangers; i++)
	{
		const PfStranger *stranger = &tally->strangers[i];

		put_word(writer, stranger->hash);
		put_count(writer, stranger->count);
		put_byte(writer, stranger->length);
		put_bytes(writer, stranger->text, stranger->length);
	}
}

static void
put_tallies(Writer *writer, const PfFrame *frames, const PfProfile *profile, bool registers)
{
	for (uint32_t i = 0; i < profile->ncolumns; i++)
	{
		if (i % 256 == 0)
			pf_check(writer->env);
		if (frames[i].present)
			put_tally(writer, &frames[i], &profile->tallies[i], registers);
	}
}

uint8_t *
pf_baseline_encode(const PfEnv *env, const PfFrame *frames, PfProfile *profile, size_t *size)
{
	Writer		inner;
	Writer		writer;

	start(&inner, env, "PFF");
	for (uint32_t i = 0; i < profile->ncolumns; i++)
	{
		if (i % 256 == 0)
			pf_check(env);
		put_frame(&inner, &frames[i]);
	}
	profile->frame = pf_hash_bytes(inner.bytes, inner.size);
	start(&writer, env, "PFB");
	put_count(&writer, profile->ncolumns);
	put_count(&writer, inner.size);
	put_bytes(&writer, inner.bytes, inner.size);
	pf_release(env, inner.bytes);
	put_tallies(&writer, frames, profile, false);
	*size = writer.size;
	return writer.bytes;
}

uint8_t *
pf_profile_encode(const PfEnv *env, const PfFrame *frames, const PfProfile *profile, size_t *size)
{
	Writer		writer;

	start(&writer, env, "PFP");
	put_word(&writer, profile->frame);
	put_count(&writer, profile->ncolumns);
	put_tallies(&writer, frames, profile, true);
	*size = writer.size;
	return writer.bytes;
}

/* ----- reading ----- */

typedef struct Reader
{
	const PfEnv *env;
	const uint8_t *at;
	const uint8_t *end;
	const char *reason;			/* the first thing wrong; NULL so far */
} Reader;

static void
fail(Reader *reader, const char *reason)
{
	if (reader->reason == NULL)
		reader->reason = reason;
	reader->at = reader->end;
}

static bool
get_bytes(Reader *reader, void *bytes, size_t size)
{
	if ((size_t) (reader->end - reader->at) < size)
	{
		fail(reader, "it ends too early");
		memset(bytes, 0, size);
		return false;
	}
	memcpy(bytes, reader->at, size);
	reader->at += size;
	return true;
}

static uint8_t
get_byte(Reader *reader)
{
	uint8_t		byte;

	get_bytes(reader, &byte, 1);
	return byte;
}

/* A count of at most `most`. */
static uint64_t
get_count(Reader *reader, uint64_t most)
{
	uint64_t	count = 0;

	for (int shift = 0; shift < 63; shift += 7)
	{
		uint8_t		byte = get_byte(reader);

		count |= (uint64_t) (byte & 127) << shift;
		if (byte < 128)
		{
			if (count <= most)
				return count;
			break;
		}
	}
	fail(reader, "a number is out of range");
	return 0;
}

static uint64_t
get_word(Reader *reader)
{
	uint8_t		bytes[8];
	uint64_t	word = 0;

	get_bytes(reader, bytes, sizeof(bytes));
	for (int i = 0; i < 8; i++)
		word |= (uint64_t) bytes[i] << (8 * i);
	return word;
}

static double
get_real(Reader *reader)
{
	uint64_t	word = get_word(reader);
	double		value;

	memcpy(&value, &word, sizeof(value));
	return value;
}

static double
get_finite(Reader *reader)
{
	double		value = get_real(reader);

	if (!isfinite(value))
		fail(reader, "a value is not finite");
	return value;
}

static void
open_bytes(Reader *reader, const PfEnv *env, const char *magic, const uint8_t *bytes, size_t size)
{
	uint8_t		head[4];

	reader->env = env;
	reader->at = bytes;
	reader->end = bytes + size;
	reader->reason = NULL;
	get_bytes(reader, head, sizeof(head));
	if (reader->reason == NULL && memcmp(head, magic, 3) != 0)
		fail(reader, "it does not begin as one");
	if (reader->reason == NULL && head[3] != FORMAT)
		fail(reader, "it has a format that this release does not know");
}

static void
get_places(Reader *reader, PfFrame *frame)
{
	const double *cuts = frame->bins.cuts;
	uint32_t	last = frame->ncells - 1;

	frame->places = pf_alloc(reader->env, frame->ncells * sizeof(double));
	frame->places[0] = get_finite(reader);
	for (uint32_t c = 1; c < last; c++)
	{
		double		within;

		if (in_full(frame))
		{
			frame->places[c] = get_finite(reader);
			continue;
		}
		within = (double) get_byte(reader) / STEPS;
		frame->places[c] = cuts[c - 1] * (1 - within) + cuts[c] * within;
	}
	if (last > 0)
		frame->places[last] = get_finite(reader);
	for (uint32_t c = 1; c < frame->ncells; c++)
	{
		if (!(frame->places[c - 1] <= frame->places[c]))
			fail(reader, "the places of cells are not in order");
	}
}

static void
get_numbers(Reader *reader, PfFrame *frame, const PfBins *bins)
{
	frame->kind = PF_NUMBER;
	if (!frame->own_cuts && bins == NULL)
	{
		fail(reader, "a column without a bin map has no cuts");
		return;
	}
	frame->ncells = (uint32_t) get_count(reader, PF_MAX_BINS);
	frame->bins.kind = PF_NUMBER;
	if (frame->own_cuts && frame->ncells > 0)
	{
		frame->bins.cuts = pf_alloc(reader->env, frame->ncells * sizeof(double));
		frame->bins.nbins = frame->ncells;
		for (uint32_t c = 0; c + 1 < frame->ncells; c++)
		{
			frame->bins.cuts[c] = get_finite(reader);
			if (c > 0 && !(frame->bins.cuts[c - 1] < frame->bins.cuts[c]))
				fail(reader, "cuts are not in order");
		}
	}
	else if (!frame->own_cuts)
	{
		frame->bins = *bins;
		if (bins->kind != PF_NUMBER || bins->nbins != frame->ncells)
		{
			fail(reader, "a column has not the cells that the model's bins are");
			return;
		}
	}
	if (frame->ncells > 0 && reader->reason == NULL)
	{
		frame->exact = get_byte(reader) != 0;
		frame->shift = get_finite(reader);
		frame->lowest = get_real(reader);
		frame->highest = get_real(reader);
		if (!(frame->lowest <= frame->highest))
			fail(reader, "a range is not one");
		get_places(reader, frame);
	}
}

static void
get_categories(Reader *reader, PfFrame *frame, uint32_t ncategories)
{
	frame->kind = PF_CATEGORY;
	frame->ncategories = ncategories;
	frame->nlisted = (uint32_t) get_count(reader, PF_LISTED_CATEGORIES);
	if (frame->nlisted > ncategories)
	{
		fail(reader, "more categories are listed than there are");
		frame->nlisted = 0;
	}
	frame->ncells = frame->nlisted + (frame->nlisted < ncategories);
	frame->listed = pf_alloc(reader->env, (frame->nlisted + 1) * sizeof(uint32_t));
	frame->cell = pf_alloc(reader->env, (ncategories + 1) * sizeof(uint16_t));
	for (uint32_t i = 0; i < ncategories; i++)
		frame->cell[i] = frame->nlisted;
	for (uint32_t c = 0; c < frame->nlisted; c++)
	{
		frame->listed[c] = (uint32_t) get_count(reader, ncategories - 1);
		if (frame->cell[frame->listed[c]] != frame->nlisted)
			fail(reader, "a category is listed twice");
		frame->cell[frame->listed[c]] = c;
	}
	frame->singles = get_count(reader, MOST);
}

/* Of column i; what the model knows of it. */
static void
get_frame(Reader *reader, const PfModel *model, uint32_t i, PfFrame *frame)
{
	const PfBins *bins = i < model->nfeatures ? &model->bins[i] : NULL;
	uint8_t		what = get_byte(reader);

	memset(frame, 0, sizeof(*frame));
	frame->present = what != ABSENT;
	if (what == ABSENT)
		return;
	if (bins != NULL && (bins->kind == PF_CATEGORY) != (what == CATEGORY))
		fail(reader, "a column is of another kind than the model's");
	else if (what == NUMBER || what == NUMBER_AND_CUTS)
	{
		frame->own_cuts = what == NUMBER_AND_CUTS;
		get_numbers(reader, frame, bins);
	}
	else if (what == CATEGORY)
		get_categories(reader, frame, bins ? bins->ncategories : model->nclasses);
	else
		fail(reader, "a column is of no known kind");
}

static void
get_strangers(Reader *reader, PfTally *tally)
{
	uint64_t	sum = 0;

	tally->nstrangers = (uint32_t) get_count(reader, PF_STRANGERS);
	if (tally->nstrangers == 0)
		return;
	tally->strangers = pf_alloc(reader->env, PF_STRANGERS * sizeof(PfStranger));
	memset(tally->strangers, 0, PF_STRANGERS * sizeof(PfStranger));
	for (uint32_t i = 0; i < tally->nstrangers; i++)
	{
		PfStranger *stranger = &tally->strangers[i];

		stranger->hash = get_word(reader);
		stranger->count = get_count(reader, MOST);
		sum += stranger->count;
		stranger->length = (uint8_t) get_count(reader, PF_STRANGER_BYTES);
		get_bytes(reader, stranger->text, stranger->length);
		if (memchr(stranger->text, 0, stranger->length) != NULL)
			fail(reader, "a text has a zero byte");
		if (i > 0 && !(stranger[-1].hash < stranger->hash))
			fail(reader, "unknown categories are not in order");
	}
	if (sum > tally->unseen)
		fail(reader, "counts do not add up");
}

static void
get_tally(Reader *reader, const PfFrame *frame, PfTally *tally, bool registers)
{
	uint64_t	sum;

	pf_tally_init(reader->env, frame, tally);
	tally->rows = get_count(reader, MOST);
	tally->missing = get_count(reader, MOST);
	tally->unseen = get_count(reader, MOST);
	sum = tally->missing + tally->unseen;
	for (uint32_t c = 0; c < frame->ncells; c++)
	{
		tally->cells[c] = get_count(reader, MOST);
		sum += tally->cells[c];
	}
	if (sum != tally->rows)
		fail(reader, "counts do not add up");
	if (registers)
	{
		get_bytes(reader, tally->registers, PF_REGISTERS);
		for (uint32_t r = 0; r < PF_REGISTERS; r++)
		{
			if (tally->registers[r] > 64)
				fail(reader, "a register is out of range");
		}
	}
	else
		tally->distinct = get_finite(reader);
	if (frame->kind != PF_NUMBER)
	{
		get_strangers(reader, tally);
		return;
	}
	tally->below = get_count(reader, frame->ncells > 0 ? tally->cells[0] : 0);
	tally->above = get_count(reader, frame->ncells > 0 ? tally->cells[frame->ncells - 1] : 0);
	if (frame->ncells == 1 && tally->below + tally->above > tally->cells[0])
		fail(reader, "counts do not add up");
	tally->far = get_count(reader, tally->rows - tally->missing);
	tally->min = get_real(reader);
	tally->max = get_real(reader);
	if (tally->rows > tally->missing ? !(tally->min <= tally->max)
		: !isnan(tally->min) || !isnan(tally->max))
		fail(reader, "a range is not one");
	tally->sum.sum = get_finite(reader);
	tally->sum.error = get_finite(reader);
	tally->squares.sum = get_finite(reader);
	tally->squares.error = get_finite(reader);
}

static void
get_tallies(Reader *reader, const PfFrame *frames, uint32_t ncolumns, bool registers,
			PfProfile *profile)
{
	profile->ncolumns = ncolumns;
	profile->tallies = pf_alloc(reader->env, ncolumns * sizeof(PfTally));
	memset(profile->tallies, 0, ncolumns * sizeof(PfTally));
	for (uint32_t i = 0; i < ncolumns && reader->reason == NULL; i++)
	{
		if (i % 256 == 0)
			pf_check(reader->env);
		if (frames[i].present)
			get_tally(reader, &frames[i], &profile->tallies[i], registers);
	}
	if (reader->reason == NULL && reader->at != reader->end)
		fail(reader, "it goes on behind its end");
}

bool
pf_baseline_decode(const PfEnv *env, const PfModel *model, const uint8_t *bytes, size_t size,
				   PfFrame **frames, PfProfile *profile, const char **reason)
{
	uint32_t	ncolumns = pf_profile_columns(model);
	Reader		reader;
	size_t		length;
	const uint8_t *end;

	open_bytes(&reader, env, "PFB", bytes, size);
	if (get_count(&reader, UINT32_MAX) != ncolumns && reader.reason == NULL)
		fail(&reader, "it has not the columns of the model");
	length = get_count(&reader, size);
	if (length > (size_t) (reader.end - reader.at))
		fail(&reader, "it ends too early");
	if (reader.reason == NULL)
	{
		Reader		inner;

		profile->frame = pf_hash_bytes(reader.at, length);
		end = reader.at + length;
		open_bytes(&inner, env, "PFF", reader.at, length);
		*frames = pf_alloc(env, ncolumns * sizeof(PfFrame));
		for (uint32_t i = 0; i < ncolumns && inner.reason == NULL; i++)
		{
			if (i % 256 == 0)
				pf_check(env);
			get_frame(&inner, model, i, &(*frames)[i]);
		}
		if (inner.reason == NULL && inner.at != inner.end)
			fail(&inner, "it goes on behind its end");
		reader.at = end;
		if (inner.reason != NULL)
			fail(&reader, inner.reason);
		else
			get_tallies(&reader, *frames, ncolumns, false, profile);
	}
	*reason = reader.reason;
	return reader.reason == NULL;
}

bool
pf_profile_decode(const PfEnv *env, const PfFrame *frames, uint32_t ncolumns, uint64_t frame,
				  const uint8_t *bytes, size_t size, PfProfile *profile, const char **reason)
{
	Reader		reader;

	open_bytes(&reader, env, "PFP", bytes, size);
	profile->frame = get_word(&reader);
	if (reader.reason == NULL && profile->frame != frame)
		fail(&reader, "it was made with another version");
	if (get_count(&reader, UINT32_MAX) != ncolumns && reader.reason == NULL)
		fail(&reader, "it has not the columns of the model");
	if (reader.reason == NULL)
		get_tallies(&reader, frames, ncolumns, true, profile);
	*reason = reader.reason;
	return reader.reason == NULL;
}
