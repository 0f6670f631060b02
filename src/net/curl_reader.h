/*
 * curl_reader.h
 *	  The content of a URL as a stream (net.h says what each call does).
 */
#ifndef PF_CURL_READER_H
#define PF_CURL_READER_H

#include "net/library.h"

extern PfUrlReader *pf_reader_open(const char *url, const PfNetTerms *terms);
extern Size pf_reader_read(PfUrlReader *reader, void *buffer, Size size);
extern void pf_reader_close(PfUrlReader *reader);

#endif							/* PF_CURL_READER_H */
