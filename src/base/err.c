/* Errors: see err.h for the contract. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *meaning;
} codes[ERR_CODE_COUNT] = {
#define ERR_CODE(enumerator, name, meaning) [enumerator] = { name, meaning },
#include "base/err_codes.def"
#undef ERR_CODE
};

const char *err_code_name(enum err_code code)
{
	return (unsigned)code < ERR_CODE_COUNT ? codes[code].name : "internal";
}

const char *err_code_meaning(enum err_code code)
{
	return (unsigned)code < ERR_CODE_COUNT ? codes[code].meaning : "";
}

static void set_message(struct err *e, enum err_code code, int errnum, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));
static void set_message(struct err *e, enum err_code code, int errnum, const char *fmt, va_list ap)
{
	memset(e, 0, sizeof(*e));
	e->code = code;
	e->errnum = errnum;
	int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	if (errnum && n >= 0 && (size_t)n < sizeof(e->msg))
		snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %s", strerror(errnum));
}

int err_set(struct err *e, enum err_code code, int errnum, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		set_message(e, code, errnum, fmt, ap);
		va_end(ap);
	}
	return errnum ? -errnum : -EINVAL;
}

int err_set_field(struct err *e, enum err_code code, const char *field, const char *fmt, ...)
{
	if (e) {
		va_list ap;
		va_start(ap, fmt);
		set_message(e, code, 0, fmt, ap);
		va_end(ap);
		snprintf(e->field, sizeof(e->field), "%s", field);
	}
	return -EINVAL;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	if (!e)
		return -EINVAL;
	char old[sizeof(e->msg)];
	memcpy(old, e->msg, sizeof(old));
	old[sizeof(old) - 1] = '\0';
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n + 3 < sizeof(e->msg))
		snprintf(e->msg + n, sizeof(e->msg) - (size_t)n, ": %.*s",
			(int)(sizeof(e->msg) - (size_t)n - 3), old);
	return e->errnum ? -e->errnum : -EINVAL;
}

void err_hint(struct err *e, const char *fmt, ...)
{
	if (!e)
		return;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
}
