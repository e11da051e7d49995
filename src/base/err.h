/*
 * Errors. Functions that can fail return 0 or a negative errno; where a person must be told why,
 * the last parameter is a struct err: a fixed record without heap memory, filled where the failure
 * is seen and given context on its way up. Contract: on success *e is untouched; on failure it
 * holds a code, a message and, where known, field, step and hint. A NULL e is allowed everywhere.
 */
#ifndef DAYFLY_BASE_ERR_H
#define DAYFLY_BASE_ERR_H

#include <stdarg.h>

enum err_code {
#define ERR_CODE(enumerator, name, meaning) enumerator,
#include "base/err_codes.def"
#undef ERR_CODE
	ERR_CODE_COUNT
};

struct err {
	enum err_code code;
	int errnum;	   /* positive errno, 0 when none is meant */
	unsigned retry_ms; /* when to try again; 0: not known, or no use */
	unsigned depth;	   /* so many wait already; 0: it is not about waiting */
	char field[128];   /* path of the request field: "task.limits.memory", or "" */
	char step[32];	   /* name of the jail setup step, or "" */
	char msg[320];	   /* the cause, one line */
	char hint[400];	   /* what to do about it, or "" */
};

/* The stable JSON name ("not_found") and the one-line meaning of a code. */
const char *err_code_name(enum err_code code);
const char *err_code_meaning(enum err_code code);

/*
 * Fills *e afresh and returns -errnum (-EINVAL when errnum is 0). With an errnum, ": strerror" is
 * appended to the message.
 */
int err_set(struct err *e, enum err_code code, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a fault in a request field. Returns -EINVAL. */
int err_set_field(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message. Returns -e->errnum, or -EINVAL. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint: what the reader can do. */
void err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
