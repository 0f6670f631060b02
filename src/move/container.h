/*
 * container.h
 *	  The bytes that ml_export gives: sections of text and a model, with a checksum.
 *
 * Written down in docs/model-format.md.  All numbers are little-endian.
 *
 *		8 bytes		"pgforest"
 *		4			format of the container, 1
 *		4			0
 *		8			length of the sections
 *		8			length of the model
 *					the sections: the text of one JSON object, in UTF-8
 *					the model, as it is stored
 *		32			SHA-256 of all before
 */
#ifndef PF_CONTAINER_H
#define PF_CONTAINER_H

#include "postgres.h"
#include "compat.h"

typedef struct PfContainer
{
	const char *sections;
	Size		nsections;
	const uint8 *model;
	Size		nmodel;
} PfContainer;

/* In the current context; error program_limit_exceeded when a bytea cannot hold it. */
extern bytea *pf_container_write(const PfContainer *container, const char *model);

/*
 * Takes it apart; what is found points into data.  Bytes that nobody vouches for: error data_corrupted
 * unless every length fits and the checksum is right.
 */
extern void pf_container_read(const bytea *data, PfContainer *container);

pg_noreturn extern void pf_not_exported(const char *reason);

#endif							/* PF_CONTAINER_H */
