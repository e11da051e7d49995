/* The host's mounts as the warden sees them, read again only when they have changed. */
#ifndef DAYFLY_JAIL_HOST_MOUNTS_H
#define DAYFLY_JAIL_HOST_MOUNTS_H

#include <stdbool.h>

struct host_mounts {
	int fd;	    /* /proc/self/mountinfo; -1: not open */
	char *text; /* as last read; NULL: not yet, or it could not be read */
};

/* Nothing is open. */
void host_mounts_init(struct host_mounts *m);
/* Returns 0 or -errno. Without it, every question opens the file for itself. */
int host_mounts_open(struct host_mounts *m);
void host_mounts_finish(struct host_mounts *m);

/*
 * Whether anything is mounted below a directory of the host: a plain clone of it would then show
 * something else than what is there. What cannot be read may be below it.
 */
bool host_mounts_are_below(struct host_mounts *m, const char *dir);

#endif
