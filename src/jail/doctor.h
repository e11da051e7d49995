/*
 * dayfly-warden --probe: whether this host can do what jails need. Every primitive is really used,
 * in a child that is thrown away; files of the system (sysctls, /etc/subuid, ...) are read only to
 * explain a failure. docs/doctor.md lists the checks; a test compares the lists.
 */
#ifndef DAYFLY_JAIL_DOCTOR_H
#define DAYFLY_JAIL_DOCTOR_H

#include <stdio.h>

struct doctor_options {
	FILE *out;
	const char *self;      /* path of this program, for advice; NULL: as /proc has it */
	const char *state_dir; /* NULL: the usual one */
};

/*
 * Runs every check for the mode that the warden would be in, and prints one JSON object on a line
 * for each. Ends early when nobody reads them. Returns the exit status: 0, or 1 when a check that
 * is needed is missing.
 */
int doctor_main(const struct doctor_options *o);

/* The names of all checks, one a line. */
void doctor_print_names(FILE *out);

#endif
