/*
 * env.h
 *	  What the engine needs from its host: memory and an interrupt check.
 *
 * The engine is plain C11.  It never calls malloc, never prints, never exits:
 * the host hands over these functions.  Inside PostgreSQL they are palloc in
 * a memory context and CHECK_FOR_INTERRUPTS; in the unit tests malloc and a
 * counter.
 *
 * alloc and resize never return NULL: a host that has no memory leaves by a
 * longjmp (PostgreSQL: ereport).  check may leave the same way.  The engine
 * therefore keeps no state outside the memory it got from the host, so that
 * the host can throw all of it away at any allocation or check.
 */
#ifndef PF_ENV_H
#define PF_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct PfEnv
{
	void	   *(*alloc) (void *arg, size_t size);
	void	   *(*resize) (void *arg, void *ptr, size_t size);
	void		(*release) (void *arg, void *ptr);	/* NULL is allowed */
	void		(*check) (void *arg);	/* called at least every 10 ms of work */
	void	   *arg;
} PfEnv;

#define pf_alloc(env, size)			((env)->alloc((env)->arg, (size)))
#define pf_resize(env, ptr, size)	((env)->resize((env)->arg, (ptr), (size)))
#define pf_release(env, ptr)		((env)->release((env)->arg, (ptr)))
#define pf_check(env)				((env)->check((env)->arg))

/*
 * memcpy and memset for what may be tens of megabytes: in pieces that take
 * about a millisecond, with a check after each.
 */
#define PF_COPY_PIECE ((size_t) 4 * 1024 * 1024)

static inline void
pf_copy(const PfEnv *env, void *to, const void *from, size_t size)
{
	for (size_t done = 0; done < size; done += PF_COPY_PIECE)
	{
		memcpy((char *) to + done, (const char *) from + done,
			   size - done < PF_COPY_PIECE ? size - done : PF_COPY_PIECE);
		pf_check(env);
	}
}

static inline void
pf_clear(const PfEnv *env, void *at, size_t size)
{
	for (size_t done = 0; done < size; done += PF_COPY_PIECE)
	{
		memset((char *) at + done, 0,
			   size - done < PF_COPY_PIECE ? size - done : PF_COPY_PIECE);
		pf_check(env);
	}
}

typedef enum PfTask
{
	PF_TASK_AUTO = 0,			/* from the target's type */
	PF_CLASSIFICATION = 1,
	PF_REGRESSION = 2,
	PF_ANOMALY = 3				/* no target */
} PfTask;

/* What a column of the source is to a model. */
typedef enum PfKind
{
	PF_NUMBER = 1,
	PF_CATEGORY = 2
} PfKind;

/*
 * A column as the model knows it.  An array column of constant length is
 * `length` features; a plain column (length 0) is one.  Features are numbered
 * in column order, the elements of an array one after another.
 */
typedef struct PfColumn
{
	char	   *name;
	PfKind		kind;
	uint32_t	length;			/* 0: a scalar */
} PfColumn;

#define PF_MAX_FEATURES		65534
#define PF_MAX_CLASSES		1000
#define PF_MAX_CATEGORIES	65535

static inline uint32_t
pf_column_features(const PfColumn *column)
{
	return column->length ? column->length : 1;
}

#endif							/* PF_ENV_H */
