/*
 * The little XML of S3: one value out of an answer, and the list that ends a multipart upload. The
 * answers come from strangers: what is not plainly of the expected form has no value. Pure.
 */
#ifndef DAYFLY_HTTP_S3_XML_H
#define DAYFLY_HTTP_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

/* Whether its outermost element has that name. */
bool s3_xml_is(const char *xml, const char *root);

/*
 * The text of the first element NAME below that root, which has no elements in it: 1 to size - 1
 * visible ASCII characters. Returns whether there is one.
 */
bool s3_xml_value(const char *xml, const char *root, const char *name, char *out, size_t size);

/* The body of CompleteMultipartUpload for the parts 1 to n. On the heap; NULL: no memory. */
char *s3_xml_complete(char *const *etags, size_t n);

#endif
