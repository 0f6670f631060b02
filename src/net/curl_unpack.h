/*
 * curl_unpack.h
 *	  Compressed content, unpacked as it comes.
 */
#ifndef PF_CURL_UNPACK_H
#define PF_CURL_UNPACK_H

#include "postgres.h"

#include "net/net.h"

/* In the current memory context, and ends with it. */
extern PfUnpacker *pf_unpack_begin(void);

/*
 * Takes bytes from input (*used of them) and gives up to room bytes of content; the number.  at_end: nothing comes after
 * this input.  0 means that it needs more input, or is at the end.
 */
extern Size pf_unpack(PfUnpacker *unpacker, const char *input, Size size, bool at_end, Size *used,
					  char *output, Size room);

/* Was what has been unpacked complete? */
extern bool pf_unpack_is_complete(const PfUnpacker *unpacker);

/* Is it compressed at all?  Known once it gave something. */
extern bool pf_unpack_is_packed(const PfUnpacker *unpacker);

#endif							/* PF_CURL_UNPACK_H */
