/*
 * Servers that were asked whether a large body may come (Expect: 100-continue), said nothing, and
 * took it a second later. They are sent the next one unasked, until something goes wrong there: a
 * refusal that comes before all is sent may be lost with its connection, an answer to the question
 * is not. The last few are remembered.
 */
#ifndef DAYFLY_DAEMON_UPLOAD_MUTES_H
#define DAYFLY_DAEMON_UPLOAD_MUTES_H

#include <stdbool.h>
#include <stddef.h>

#define UPLOAD_MUTES_MAX 16

struct upload_mutes {
	char *origins[UPLOAD_MUTES_MAX]; /* "https://host:443"; NULL: free */
	size_t next;			 /* the place to take */
};

/* origin NULL is none. */
bool upload_mutes_has(const struct upload_mutes *m, const char *origin);
void upload_mutes_add(struct upload_mutes *m, const char *origin);
void upload_mutes_remove(struct upload_mutes *m, const char *origin);
void upload_mutes_finish(struct upload_mutes *m);

#endif
