/* JSON for programs that may be looked at by people: see json_line.h. */
#include "cli/json_line.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

int json_line_print(const json_t *value, FILE *out)
{
	auto_free char *text =
		json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
	if (!text)
		return -ENOMEM;
	/* DEL is all that is left. */
	for (const char *p = text; *p; p++)
		if (*p == 0x7f)
			fputs("\\u007f", out);
		else
			fputc(*p, out);
	fputc('\n', out);
	return fflush(out) == 0 && !ferror(out) ? 0 : -errno;
}
