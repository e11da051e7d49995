/* Where a walk is: see where.h. */
#include "jail/where.h"

#include <string.h>

bool where_enter(struct where *w, const char *name, size_t *ret_before)
{
	size_t n = strlen(name), slash = w->len > 0;
	*ret_before = w->len;
	if (w->len + slash + n >= sizeof(w->path))
		return false;
	if (slash)
		w->path[w->len] = '/';
	memcpy(w->path + w->len + slash, name, n + 1);
	w->len += slash + n;
	return true;
}

void where_leave(struct where *w, size_t before)
{
	w->len = before;
	w->path[before] = '\0';
}
