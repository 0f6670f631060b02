/*
 * library.h
 *	  What the two libraries know of each other.
 *
 * pgforest_net (the files curl_*.c) shows one function, which gives a table of what it can do; it gets
 * all it needs to know in arguments and refers to no symbol of pgforest's.  The number changes with
 * anything in here: after an upgrade a session may meet a library of another version.
 */
#ifndef PF_LIBRARY_H
#define PF_LIBRARY_H

#include "net/net.h"

#define PF_NET_LIBRARY_VERSION 1

/* What a transfer is bound by, and what pgforest does for it. */
typedef struct PfNetTerms
{
	const char *ca_file;		/* NULL: the system's certificates */
	int			timeout;		/* ms of silence; 0: no limit */
	int64		max_time;		/* ms of waiting */
	int64		max_size;		/* bytes */

	/* The canonical form of a URL; NULL when it is not allowed. */
	char	   *(*allow) (const char *url);
	char	   *(*show) (const char *url);
	char	   *(*origin) (const char *url);
} PfNetTerms;

/* As the functions of net.h that have the same names.  URLs are canonical and allowed. */
typedef struct PfNetLibrary
{
	int			version;
	PfUrlReader   *(*open) (const char *url, const PfNetTerms *terms);
	Size		(*read) (PfUrlReader *reader, void *buffer, Size size);
	void		(*close) (PfUrlReader *reader);
	void		(*post) (const PfPost *post, const PfNetTerms *terms, PfAnswer *answer);
	PfUnpacker *(*unpack_begin) (void);
	Size		(*unpack) (PfUnpacker *unpacker, const char *input, Size size, bool at_end, Size *used,
						   char *output, Size room);
	bool		(*unpack_is_complete) (const PfUnpacker *unpacker);
} PfNetLibrary;

typedef const PfNetLibrary *(*PfNetLibraryFunction) (void);

#endif							/* PF_LIBRARY_H */
