/* What /proc/PID/cmdline of this process shows. Everybody in a jail can read that of jail init, a
 * copy of the warden. */
#ifndef DAYFLY_JAIL_TITLE_H
#define DAYFLY_JAIL_TITLE_H

/* Call first in main. The arguments must not be used after title_set(). */
void title_init(int argc, char **argv);

/* Replaces the whole command line; cut to its room. Without effect before title_init(). */
void title_set(const char *text);

/* The same, and the name of the calling thread: at most 15 characters. */
void title_name(const char *name);

#endif
