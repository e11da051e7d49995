/* Who is not asked before a large body goes out: see upload_mutes.h. */
#include "daemon/upload_mutes.h"

#include <stdlib.h>
#include <string.h>

/* UPLOAD_MUTES_MAX: it is not there. */
static size_t find(const struct upload_mutes *m, const char *origin)
{
	size_t i = origin ? 0 : UPLOAD_MUTES_MAX;
	while (i < UPLOAD_MUTES_MAX && (!m->origins[i] || strcmp(m->origins[i], origin) != 0))
		i++;
	return i;
}

bool upload_mutes_has(const struct upload_mutes *m, const char *origin)
{
	return find(m, origin) < UPLOAD_MUTES_MAX;
}

void upload_mutes_add(struct upload_mutes *m, const char *origin)
{
	if (!origin || upload_mutes_has(m, origin))
		return;
	/* Without memory it is asked again. */
	free(m->origins[m->next]);
	m->origins[m->next] = strdup(origin);
	m->next = (m->next + 1) % UPLOAD_MUTES_MAX;
}

void upload_mutes_remove(struct upload_mutes *m, const char *origin)
{
	size_t i = find(m, origin);
	if (i == UPLOAD_MUTES_MAX)
		return;
	free(m->origins[i]);
	m->origins[i] = NULL;
}

void upload_mutes_finish(struct upload_mutes *m)
{
	for (size_t i = 0; i < UPLOAD_MUTES_MAX; i++)
		free(m->origins[i]);
	*m = (struct upload_mutes){ 0 };
}
