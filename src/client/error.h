/* Filling in the public error record. The same contract as base/err.h: success leaves *e alone,
 * NULL is allowed. */
#ifndef DAYFLY_CLIENT_ERROR_H
#define DAYFLY_CLIENT_ERROR_H

#include "base/err.h"

#include <dayfly/client.h>
#include <jansson.h>

/* Fills *e afresh and returns -errnum (-EINVAL when errnum is 0). With an errnum, ": strerror" is
 * appended. */
int error_set(struct dayfly_error *e, enum err_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same without strerror: the text says it better. */
int error_text(struct dayfly_error *e, enum err_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

void error_hint(struct dayfly_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* From the JSON object {"code","message","field","errno","step","hint"}; what is absent or of
 * another type is left empty. */
void error_from_json(struct dayfly_error *e, const json_t *object);

#endif
