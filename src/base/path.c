/* Paths as text: see path.h. */
#include "base/path.h"

#include <string.h>

bool path_parts_are(const char *path, size_t len, path_part_fn *is_so)
{
	for (const char *part = path, *end = path + len;;) {
		const char *slash = memchr(part, '/', (size_t)(end - part));
		if (!is_so(part, (size_t)((slash ? slash : end) - part)))
			return false;
		if (!slash)
			return true;
		part = slash + 1;
	}
}

bool path_part_is_name(const char *part, size_t len)
{
	return len && !(len == 1 && part[0] == '.') && !(len == 2 && !memcmp(part, "..", 2));
}
