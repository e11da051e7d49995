/*
 * /etc of a jail: what everybody may read of the host's, and a few files of its own. The list of
 * what is hidden is kept by the warden (etc_scan.c) and used by jail init (etc.c).
 */
#ifndef DAYFLY_JAIL_ETC_H
#define DAYFLY_JAIL_ETC_H

#include "jail/jail.h"

/*
 * The paths below /etc that not everybody may read ("shadow", "ssl/private"). inotify says when
 * anything below /etc has changed, so that the list is exact at each use without a new walk; where
 * there is no inotify, each use walks.
 */
struct etc_scan {
	char **masks;	     /* NULL-terminated */
	int inotify_fd;	     /* -1: none */
	unsigned generation; /* changes with each walk */
};

void etc_scan_init(struct etc_scan *s);
void etc_scan_finish(struct etc_scan *s);

/* Brings the list up to date. Returns 0 or -errno. */
int etc_scan_refresh(struct etc_scan *s, struct err *e);

/* Fills the upper layer of /etc before its overlay is mounted: a whiteout for each hidden path, and
 * the jail's own files. */
int etc_prepare_upper(struct jail *j, struct err *e);

/* Instead of an overlay: copies what everybody may read into the new root's etc, and puts the
 * jail's own files in place. */
int etc_copy(struct jail *j, struct err *e);

/* Writes passwd, group, hosts, hostname, resolv.conf and machine-id into a directory image's etc.
 */
int etc_complete_image(struct jail *j, struct err *e);

#endif
