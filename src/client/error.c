/* The public error record: see error.h. */
#include "client/error.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Returns the length of the message. */
static size_t __attribute__((format(printf, 4, 0)))
fill(struct dayfly_error *e, enum err_code code, int errnum, const char *fmt, va_list ap)
{
	memset(e, 0, sizeof(*e));
	e->errnum = errnum ? errnum : EINVAL;
	snprintf(e->code, sizeof(e->code), "%s", err_code_name(code));
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	return strlen(e->message);
}

int error_set(struct dayfly_error *e, enum err_code code, int errnum, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		size_t n = fill(e, code, errnum, fmt, ap);
		va_end(ap);
		if (errnum)
			snprintf(e->message + n, sizeof(e->message) - n, ": %s", strerror(errnum));
	}
	return errnum ? -errnum : -EINVAL;
}

int error_text(struct dayfly_error *e, enum err_code code, int errnum, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		fill(e, code, errnum, fmt, ap);
		va_end(ap);
	}
	return errnum ? -errnum : -EINVAL;
}

void error_hint(struct dayfly_error *e, const char *fmt, ...)
{
	if (!e)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
}

static void copy_text(char *out, size_t size, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	snprintf(out, size, "%s", text ? text : "");
}

void error_from_json(struct dayfly_error *e, const json_t *object)
{
	memset(e, 0, sizeof(*e));
	copy_text(e->code, sizeof(e->code), object, "code");
	copy_text(e->message, sizeof(e->message), object, "message");
	copy_text(e->field, sizeof(e->field), object, "field");
	copy_text(e->step, sizeof(e->step), object, "step");
	copy_text(e->hint, sizeof(e->hint), object, "hint");
	json_int_t n = json_integer_value(json_object_get(object, "errno"));
	e->errnum = n > 0 && n <= INT_MAX ? (int)n : 0;
}
